using TinyLora.Generators.Emitting;
using TinyLora.Generators.Text;

using TinyLora.Generators.Specs;

namespace TinyLora.Generators.InstructionSets;

/// <summary>x64 with 256-bit vectors: AVX2 and FMA, with AVX-VNNI, or with AVX-512 (whose mat-mat kernels are 512 bits wide).</summary>
internal sealed class AvxSet(string name) : VectorSet
{
    public override string Name { get; } = name;

    public override Processor Processor => Processor.X64;

    public override string Level => Name == "Avx512" ? "v4" : "v3";

    public override int Bits => 256;

    public override int Registers => Name == "Avx512" ? 32 : 16;

    public override int PanelRows => Name == "Avx512" ? 16 : 8;

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

    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p) =>
    [
        $"var quad0 = Avx2.HorizontalAdd(Avx2.HorizontalAdd({p[0]}, {p[1]}), Avx2.HorizontalAdd({p[2]}, {p[3]}));",
        $"var quad1 = Avx2.HorizontalAdd(Avx2.HorizontalAdd({p[4]}, {p[5]}), Avx2.HorizontalAdd({p[6]}, {p[7]}));",
        $"var {name} = Avx2.Permute2x128(quad0, quad1, 0x20) + Avx2.Permute2x128(quad0, quad1, 0x31);",
    ];

    // The first bytes of eight blocks side by side, by loads of sixteen and interleaving: half the work of eight inserts.
    public override void HalfScales(SourceWriter code, IReadOnlyList<(string At, string? Condition)?> blocks, bool minimum)
    {
        var heads = blocks.Select(block => block switch
        {
            null => "Vector128<short>.Zero",
            { Condition: null } present => $"Vector128.Load((short*)({present.At}))",
            { } perhaps => $"({perhaps.Condition} ? Vector128.Load((short*)({perhaps.At})) : Vector128<short>.Zero)",
        }).ToArray();
        if (!minimum)
        {
            for (var j = 0; j < 4; j++) code.Line($"var heads{j} = Sse2.UnpackLow({heads[2 * j]}, {heads[2 * j + 1]}).AsInt32();");
            code.Line("var halves = Sse2.UnpackLow(Sse2.UnpackLow(heads0, heads1).AsInt64(), Sse2.UnpackLow(heads2, heads3).AsInt64()).AsInt16();");
            code.Line($"var scale = {BlockFormat.HalfBits(this, "Avx2.ConvertToVector256Int32(halves)")};");
            return;
        }
        for (var j = 0; j < 4; j++) code.Line($"var heads{j} = Sse2.UnpackLow({heads[2 * j]}.AsInt32(), {heads[2 * j + 1]}.AsInt32()).AsInt64();");
        code.Line("var halves = Vector256.Create(Sse2.UnpackLow(heads0, heads1), Sse2.UnpackLow(heads2, heads3)).AsInt32();");
        code.Line($"var scale = {BlockFormat.HalfBits(this, "Vector256.ShiftRightArithmetic(Vector256.ShiftLeft(halves, 16), 16)")};");
        code.Line($"var minimum = {BlockFormat.HalfBits(this, "Vector256.ShiftRightArithmetic(halves, 16)")};");
    }

    public override string WidenBytes(string eightBytes, int part) =>
        $"Avx2.ConvertToVector256Int32(Vector128.CreateScalar({eightBytes}).AsByte())";
}
