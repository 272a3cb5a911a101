using TinyLora.Generators.Emitting;
using TinyLora.Generators.Text;

using TinyLora.Generators.Specs;

namespace TinyLora.Generators.InstructionSets;

/// <summary>x64 with 256-bit vectors: AVX2 and FMA, or AVX-512's instructions on registers of that width.</summary>
internal class AvxSet(string name) : VectorSet
{
    public override string Name { get; } = name;

    public override Processor Processor => Processor.X64;

    public override string Level => Name == "Avx512" ? "v4" : "v3";

    public override int Bits => 256;

    public override int Registers => Name == "Avx512" ? 32 : 16;

    public override bool HasMasks => Name == "Avx512";

    public override int PanelRows => 8;

    public override bool UnsignedWeights => true;

    public override string Fma(string a, string b, string c) => $"Fma.MultiplyAdd({a}, {b}, {c})";

    public override IEnumerable<string> Constants =>
    [
        "var lowNibbles = Vector256.Create((byte)15);",
        "var nibbleShifts = Vector256.Create(0UL, 0UL, 4UL, 4UL);",
        "var spread = Vector256.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);",
        "var bits = Vector256.Create(0x8040201008040201UL).AsByte();",
    ];

    public override string Nibbles(string p, int part) =>
        $"Avx2.ShiftRightLogicalVariable(Avx2.BroadcastVector128ToVector256({p}).AsUInt64(), nibbleShifts).AsByte() & lowNibbles";

    public override string FifthBits(string p, int part) =>
        $"Vector256.Equals(Avx2.Shuffle(Vector256.Create(*(uint*)({p})).AsByte(), spread) & bits, bits) & Vector256.Create((byte)16)";

    public override string Dot(string w, string q, string m, bool signed)
    {
        var activations = $"Vector256.Load((sbyte*)({q}))";
        var (a, b) = signed ? ($"Avx2.Abs({w}.AsSByte())", $"Avx2.Sign({activations}, {w}.AsSByte())") : (w, activations);
        return $"Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent({a}, {b}), Vector256.Load({m}))";
    }

    public override string ScaledHalvesDot(string w, string q, string m, string s) =>
        $"Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent({w}, Vector256.Load((sbyte*)({q}))), Vector256.Load({m}) * Vector256.Create(Vector128.Create((short){s}[0]), Vector128.Create((short){s}[1])))";

    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p, string m) =>
    [
        $"var quad0 = Avx2.HorizontalAdd(Avx2.HorizontalAdd({p[0]}, {p[1]}), Avx2.HorizontalAdd({p[2]}, {p[3]}));",
        $"var quad1 = Avx2.HorizontalAdd(Avx2.HorizontalAdd({p[4]}, {p[5]}), Avx2.HorizontalAdd({p[6]}, {p[7]}));",
        $"var {name} = {JoinQuads};",
    ];

    // Four lanes of each half are the sums of half a block each.
    protected const string JoinQuads = "Avx2.Permute2x128(quad0, quad1, 0x20) + Avx2.Permute2x128(quad0, quad1, 0x31)";

    // The first bytes of eight blocks side by side, by loads of sixteen and interleaving: half the work of eight inserts.
    public override void HalfScales(SourceWriter code, IReadOnlyList<(string At, string? Condition)> blocks, bool minimum)
    {
        var heads = blocks.Select(block =>
        {
            var head = $"Vector128.Load((short*)({block.At}))";
            return block.Condition is { } condition ? $"({condition} ? {head} : Vector128<short>.Zero)" : head;
        });
        if (!minimum)
        {
            code.Line($"var halves = {Interleave(Interleave(Interleave(heads, "Int16"), "Int32"), "Int64").Single()}.AsInt16();");
            code.Line($"var scale = {BlockFormat.HalfBits(Narrow, "Avx2.ConvertToVector256Int32(halves)")};");
            return;
        }
        var four = Interleave(Interleave(heads, "Int32"), "Int64").ToArray();
        code.Line($"var halves = {(four.Length == 1 ? $"{four[0]}.ToVector256()" : $"Vector256.Create({four[0]}, {four[1]})")}.AsInt32();");
        code.Line($"var scale = {BlockFormat.UpperHalfBits(Narrow, "Vector256.ShiftLeft(halves, 16)")};");
        code.Line($"var minimum = {BlockFormat.UpperHalfBits(Narrow, "halves")};");
    }

    // The low lanes of this width of each two, one after the other; the last without a partner beside zeros.
    private static IEnumerable<string> Interleave(IEnumerable<string> vectors, string lanes)
    {
        var all = vectors.ToArray();
        for (var j = 0; j < all.Length; j += 2)
            yield return $"Sse2.UnpackLow({all[j]}.As{lanes}(), {(j + 1 < all.Length ? $"{all[j + 1]}.As{lanes}()" : "default")})";
    }

    // Pairs of rows, fours of rows, then the halves of the registers.
    public override void Transpose(SourceWriter code, string rows, string columns)
    {
        for (var i = 0; i < 8; i += 2)
        {
            code.Line($"var low{i} = Avx2.UnpackLow({rows}{i}.AsInt32(), {rows}{i + 1}.AsInt32()).AsInt64();");
            code.Line($"var high{i} = Avx2.UnpackHigh({rows}{i}.AsInt32(), {rows}{i + 1}.AsInt32()).AsInt64();");
        }
        for (var k = 0; k < 4; k++)
        {
            var (source, half) = (k < 2 ? "low" : "high", k % 2 == 0 ? "Low" : "High");
            code.Line($"var upper{k} = Avx2.Unpack{half}({source}0, {source}2);");
            code.Line($"var lower{k} = Avx2.Unpack{half}({source}4, {source}6);");
            code.Line($"var {columns}{k} = Avx2.Permute2x128(upper{k}, lower{k}, 0x20);");
            code.Line($"var {columns}{k + 4} = Avx2.Permute2x128(upper{k}, lower{k}, 0x31);");
        }
    }

    /// <summary>
    /// Declares the vectors <paramref name="columns"/>0 to 3 of four-byte lanes: lane i of the k-th is the k-th four bytes of row i, where <paramref name="rows"/>j, of 0 to 3, holds sixteen bytes
    /// of row j and of row j + 4.
    /// </summary>
    public static void TransposeFours(SourceWriter code, string rows, string columns)
    {
        for (var i = 0; i < 4; i += 2)
            foreach (var half in (string[])["Low", "High"])
                code.Line($"var {half.ToLowerInvariant()}{i} = Avx2.Unpack{half}({rows}{i}.AsInt32(), {rows}{i + 1}.AsInt32()).AsInt64();");
        for (var k = 0; k < 4; k++)
        {
            var source = k < 2 ? "low" : "high";
            code.Line($"var {columns}{k} = Avx2.Unpack{(k % 2 == 0 ? "Low" : "High")}({source}0, {source}2);");
        }
    }

    public override string WidenBytes(string eightBytes, int part) =>
        $"Avx2.ConvertToVector256Int32(Vector128.CreateScalar({eightBytes}).AsByte())";
}
