using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Writes how a group of eight blocks of 32 weights of one format becomes byte vectors, scales and minima.</summary>
internal sealed class BlockFormat(WeightFormat format, VectorSet set)
{
    // Scales stand eight lanes beside eight sums, whatever the registers of the weights hold.
    private readonly VectorSet _lanes = set.Narrow;

    public WeightFormat Format => format;

    /// <summary>Bytes of a group of eight blocks.</summary>
    public int GroupBytes => format.IsSuperBlock() ? format.BlockBytes() : 8 * format.BlockBytes();

    /// <summary>Whether the unpacked weights are signed bytes.</summary>
    public bool Signed => format == WeightFormat.Q8_0 || (format == WeightFormat.Q6_K && !set.UnsignedWeights);

    /// <summary>What is taken from every unpacked weight, as a shift: the offset is 1 shifted so; 0 for none.</summary>
    public int OffsetShift => format switch
    {
        WeightFormat.Q4_0 => 3,
        WeightFormat.Q5_0 => 4,
        _ => 0,
    };

    /// <summary>Declares w{j}: the 32 weights of block j of the group at pointer <paramref name="group"/>.</summary>
    public void Unpack(SourceWriter code, string group, int j) => Unpack(code, group, j, "w" + j);

    /// <inheritdoc cref="Unpack(SourceWriter, string, int)"/>
    public void Unpack(SourceWriter code, string group, int j, string name)
    {
        for (var p = 0; p < set.Parts; p++)
            code.Line($"var {set.Part(name, p)} = {Weights(group, j, p)};");
    }

    /// <summary>Declares what several blocks of the group share.</summary>
    public void UnpackShared(SourceWriter code, string group)
    {
        if (format != WeightFormat.Q5_K) return;
        for (var p = 0; p < set.Parts; p++) code.Line($"var {set.Part("fifth", p)} = {set.V}.Load({group} + {16 + 16 * p});");
    }

    /// <summary>Pointer to the two small scales of block j (Q6_K).</summary>
    public static string HalfScales(string group, int j) => $"((sbyte*){group} + {192 + 2 * j})";

    /// <summary>Declares scale (and minimum): eight lanes. A lane from <paramref name="count"/> on, or that <paramref name="present"/> denies, is zero.</summary>
    public void Scales(SourceWriter code, string group, int count, Func<int, string?> present)
    {
        if (format == WeightFormat.Q6_K)
        {
            for (var p = 0; p < set.Parts; p++) code.Line($"var {set.Part("scale", p)} = {_lanes.V}.Create({ScalarHalf($"{group} + 208")});");
            return;
        }
        if (format.IsSuperBlock())
        {
            SixBitScales(code, group);
            return;
        }
        // The half scale is a block's first two bytes, a half minimum the next two.
        set.GroupScales(code, group, format.BlockBytes(), count, present, format.HasMinimum());
    }

    public static string ScalarHalf(string p) =>
        $"(BitConverter.Int32BitsToSingle((*(short*)({p}) << 13) & unchecked((int)0x8FFFE000)) * 5.192296858534828e33f)";

    /// <summary>Float lanes of sign-extended half bits: the exponent is moved by a multiplication with 2^112, exact for every finite half.</summary>
    public static string HalfBits(VectorSet set, string ints) =>
        $"({set.V}.ShiftLeft({ints}, 13) & {set.V}.Create(unchecked((int)0x8FFFE000))).AsSingle() * {set.V}.Create(5.192296858534828e33f)";

    /// <summary>The same of halves in the upper bits of their lanes; what lies below does not matter.</summary>
    public static string UpperHalfBits(VectorSet set, string ints) =>
        $"({set.V}.ShiftRightArithmetic({ints}, 3) & {set.V}.Create(unchecked((int)0x8FFFE000))).AsSingle() * {set.V}.Create(5.192296858534828e33f)";

    private string Weights(string group, int j, int p)
    {
        var block = $"{group} + {j * format.BlockBytes()}";
        return format switch
        {
            WeightFormat.Q8_0 => $"{set.V}.Load({block} + {2 + 16 * p})",
            WeightFormat.Q4_0 => set.Nibbles($"{block} + 2", p),
            WeightFormat.Q4_1 => set.Nibbles($"{block} + 4", p),
            WeightFormat.Q5_0 => $"({set.Nibbles($"{block} + 6", p)}) | ({set.FifthBits($"{block} + 2", p)})",
            WeightFormat.Q5_1 => $"({set.Nibbles($"{block} + 8", p)}) | ({set.FifthBits($"{block} + 4", p)})",
            WeightFormat.Q4_K => Nibble($"{group} + {16 + 32 * (j / 2) + 16 * p}", j & 1),
            WeightFormat.Q5_K => $"({Nibble($"{group} + {48 + 32 * (j / 2) + 16 * p}", j & 1)}) | ({Shift(set.Part("fifth", p), 4 - j)} & {set.V}.Create((byte)16))",
            _ => SixBits(group, j, p),
        };
    }

    private string SixBits(string group, int j, int p)
    {
        var low = Nibble($"{group} + {64 * (j / 4) + 32 * (j & 1) + 16 * p}", j >> 1 & 1);
        var high = Shift($"{set.V}.Load({group} + {128 + 32 * (j / 4) + 16 * p})", 4 - 2 * (j & 3));
        var unsigned = $"({low}) | ({high} & {set.V}.Create((byte)48))";
        return set.UnsignedWeights ? unsigned : $"(({unsigned}) - {set.V}.Create((byte)32))";
    }

    private string Nibble(string p, int high) => high == 0 ? $"{set.V}.Load({p}) & lowNibbles" : $"{Shift($"{set.V}.Load({p})", -4)} & lowNibbles";

    // Shifts 16-bit lanes: what crosses a byte's border is masked away by the caller.
    private string Shift(string bytes, int left) => left switch
    {
        0 => bytes,
        > 0 => $"{set.V}.ShiftLeft({bytes}.AsUInt16(), {left}).AsByte()",
        _ => $"{set.V}.ShiftRightLogical({bytes}.AsUInt16(), {-left}).AsByte()",
    };

    // Eight six-bit scales and minima in twelve bytes: 0-3 in the low bits of bytes 0-3 and 4-7, 4-7 in the nibbles of bytes 8-11 and the top bits.
    private void SixBitScales(SourceWriter code, string group)
    {
        code.Line($"var packed0 = *(uint*)({group} + 4);");
        code.Line($"var packed1 = *(uint*)({group} + 8);");
        code.Line($"var packed2 = *(uint*)({group} + 12);");
        code.Line("var scaleBytes = (ulong)((packed2 & 0x0F0F0F0F) | ((packed0 >> 6 & 0x03030303) << 4)) << 32 | (packed0 & 0x3F3F3F3F);");
        code.Line("var minimumBytes = (ulong)((packed2 >> 4 & 0x0F0F0F0F) | ((packed1 >> 6 & 0x03030303) << 4)) << 32 | (packed1 & 0x3F3F3F3F);");
        for (var p = 0; p < set.Parts; p++)
            code.Line($"var {set.Part("scale", p)} = {_lanes.V}.ConvertToSingle({set.WidenBytes("scaleBytes", p)}) * {_lanes.V}.Create({ScalarHalf(group)});");
        for (var p = 0; p < set.Parts; p++)
            code.Line($"var {set.Part("minimum", p)} = {_lanes.V}.ConvertToSingle({set.WidenBytes("minimumBytes", p)}) * {_lanes.V}.Create(-{ScalarHalf($"{group} + 2")});");
    }
}
