using System.Buffers.Binary;

namespace TinyLora.Build;

/// <summary>
/// Lengths of x64 instructions: just enough of the encoding to find a function's direct branches, which an object file does not list where they
/// stay inside its section. What a compiler does not write (far jumps, prefixes beyond those of 64-bit code) is an error.
/// </summary>
/// <remarks>Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2 and appendix A.</remarks>
internal static class X64Code
{
    /// <summary>Places of 32-bit displacements, from the first byte on, that are relative to the next instruction.</summary>
    /// <param name="IsBranch">A call or jump; else an operand in memory.</param>
    public readonly record struct Displacement(int Offset, bool IsBranch);

    /// <exception cref="InvalidDataException">The bytes are no sequence of instructions, or a short branch leaves them.</exception>
    public static IReadOnlyList<Displacement> Displacements(ReadOnlySpan<byte> code)
    {
        var found = new List<Displacement>();
        var starts = new HashSet<int>();
        var near = new List<int>();
        for (var at = 0; at < code.Length;)
        {
            starts.Add(at);
            at = Next(code, at, found, near);
            if (at > code.Length) throw new InvalidDataException($"the instruction that ends at byte {at} of {code.Length} is not known");
        }
        foreach (var target in near)
            if (!starts.Contains(target)) throw new InvalidDataException($"a short branch leads to byte {target} of {code.Length}, where no instruction begins");
        // What stays inside the function, a jump or the base of a jump table, needs nothing; that an instruction begins there says that the lengths are right.
        var outward = new List<Displacement>();
        foreach (var place in found)
            if (!starts.Contains(place.Offset + 4 + BinaryPrimitives.ReadInt32LittleEndian(code[place.Offset..]))) outward.Add(place);
        return outward;
    }

    private static int Next(ReadOnlySpan<byte> code, int at, List<Displacement> found, List<int> near)
    {
        var (is16, isWide) = (false, false);
        byte b;
        while ((b = At(code, at++)) is 0x66 or 0xF2 or 0xF3 or 0x2E or 0x3E or 0xF0) is16 |= b == 0x66;
        switch (b)
        {
            // VEX of two and three bytes, EVEX: the map of the opcode is in the prefix.
            case 0xC5: return Vector(code, at + 1, 1, found);
            case 0xC4: return Vector(code, at + 2, At(code, at) & 31, found);
            case 0x62: return Vector(code, at + 3, At(code, at) & 7, found);
        }
        if (b is >= 0x40 and <= 0x4F)
        {
            isWide = (b & 8) != 0;
            b = At(code, at++);
        }
        if (b == 0x0F) return TwoBytes(code, at, found);
        var word = is16 ? 2 : 4;
        switch (b)
        {
            case < 0x40 when (b & 7) < 4: return Operand(code, at, 0, found);
            case < 0x40 when (b & 7) == 4: return at + 1;
            case < 0x40 when (b & 7) == 5: return at + word;
            case >= 0x50 and <= 0x5F or (>= 0x90 and <= 0x99) or 0xA4 or 0xA5 or 0xAA or 0xAB or 0xC3 or 0xC9 or 0xCC: return at;
            case 0x6A or 0xA8 or (>= 0xB0 and <= 0xB7): return at + 1;
            case 0xC2: return at + 2;
            case 0x68 or 0xA9: return at + word;
            case >= 0xB8 and <= 0xBF: return at + (isWide ? 8 : word);
            case 0x63 or (>= 0x84 and <= 0x8B) or 0x8D or (>= 0xD0 and <= 0xD3) or 0xFE or 0xFF: return Operand(code, at, 0, found);
            case 0x6B or 0x80 or 0x83 or 0xC0 or 0xC1 or 0xC6: return Operand(code, at, 1, found);
            case 0x69 or 0x81 or 0xC7: return Operand(code, at, word, found);
            case 0xF6 or 0xF7:
                var isTest = (At(code, at) >> 3 & 7) < 2;
                return Operand(code, at, !isTest ? 0 : b == 0xF6 ? 1 : word, found);
            case >= 0x70 and <= 0x7F or 0xEB:
                near.Add(at + 1 + (sbyte)At(code, at));
                return at + 1;
            case 0xE8 or 0xE9:
                found.Add(new(at, true));
                return at + 4;
            default: throw new InvalidDataException($"opcode 0x{b:x2} before byte {at} is not known");
        }
    }

    private static int TwoBytes(ReadOnlySpan<byte> code, int at, List<Displacement> found)
    {
        var b = At(code, at++);
        switch (b)
        {
            case 0x38: return Operand(code, at + 1, 0, found);
            case 0x3A: return Operand(code, at + 1, 1, found);
            case 0x0B or 0x31 or 0x77 or 0xA2 or (>= 0xC8 and <= 0xCF): return at;
            case >= 0x80 and <= 0x8F:
                found.Add(new(at, true));
                return at + 4;
            case (>= 0x70 and <= 0x73) or 0xA4 or 0xAC or 0xBA or 0xC2 or 0xC4 or 0xC5 or 0xC6: return Operand(code, at, 1, found);
            default: return Operand(code, at, 0, found);
        }
    }

    private static int Vector(ReadOnlySpan<byte> code, int at, int map, List<Displacement> found)
    {
        var opcode = At(code, at++);
        // VZEROUPPER and VZEROALL have no operand.
        if (map == 1 && opcode == 0x77) return at;
        var hasImmediate = map == 3 || (map == 1 && opcode is (>= 0x70 and <= 0x73) or 0xC2 or 0xC4 or 0xC5 or 0xC6);
        return Operand(code, at, hasImmediate ? 1 : 0, found);
    }

    // ModRM, SIB, displacement; then the immediate.
    private static int Operand(ReadOnlySpan<byte> code, int at, int immediate, List<Displacement> found)
    {
        var modRm = At(code, at++);
        var (mod, rm) = (modRm >> 6, modRm & 7);
        if (mod == 3) return at + immediate;
        if (mod == 0 && rm == 5)
        {
            found.Add(new(at, false));
            return at + 4 + immediate;
        }
        var hasNoBase = false;
        if (rm == 4) hasNoBase = (At(code, at++) & 7) == 5;
        return at + mod switch { 1 => 1, 2 => 4, _ => hasNoBase ? 4 : 0 } + immediate;
    }

    private static byte At(ReadOnlySpan<byte> code, int at) => at < code.Length ? code[at] : throw new InvalidDataException($"an instruction ends beyond byte {code.Length}");
}
