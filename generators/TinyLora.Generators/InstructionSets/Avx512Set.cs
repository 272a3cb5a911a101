using TinyLora.Generators.Emitting;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.InstructionSets;

/// <summary>x64 with 512-bit vectors: AVX-512 F, BW, DQ and VL. Two blocks, or the eight lanes of two rows, side by side in a register.</summary>
internal sealed class Avx512Set() : AvxSet("Avx512")
{
    public override int Bits => 512;

    public override int PanelRows => 16;

    public override VectorSet Narrow { get; } = new AvxSet("Avx512");

    public override string LoadInput(string p) => $"Avx512DQ.BroadcastVector256ToVector512({p})";

    public override string Fma(string a, string b, string c) => $"Avx512F.FusedMultiplyAdd({a}, {b}, {c})";

    public override IEnumerable<string> Constants =>
    [
        "var lowNibbles = Vector512.Create((byte)15);",
        "var nibbleShifts = Vector512.Create(0UL, 0UL, 4UL, 4UL, 0UL, 0UL, 4UL, 4UL);",
        "var sixteen = Vector512.Create((byte)16);",
        "var spread = Vector512.Create(0UL, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303, 0x0404040404040404, 0x0505050505050505, 0x0606060606060606, 0x0707070707070707).AsByte();",
        "var bits = Vector512.Create(0x8040201008040201UL).AsByte();",
        "var halfOrder = Vector512.Create(0UL, 0UL, 0x0001000100010001, 0x0001000100010001, 0x0002000200020002, 0x0002000200020002, 0x0003000300030003, 0x0003000300030003).AsInt16();",
        "var blockOrder = Vector512.Create(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);",
    ];

    public override string Dot(string w, string q, string m, bool signed)
    {
        var activations = $"Vector512.Load((sbyte*)({q}))";
        var (a, b) = signed
            ? ($"Avx512BW.Abs({w}.AsSByte())", $"Vector512.ConditionalSelect(Vector512.LessThan({w}.AsSByte(), Vector512<sbyte>.Zero), Vector512<sbyte>.Zero - {activations}, {activations})")
            : (w, activations);
        return $"Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent({a}, {b}), Vector512.Load({m}))";
    }

    public override string ScaledHalvesDot(string w, string q, string m, string s)
    {
        var scales = $"Avx512BW.PermuteVar32x16(Sse41.ConvertToVector128Int16(Vector128.CreateScalar(*(int*){s}).AsSByte()).ToVector256Unsafe().ToVector512Unsafe(), halfOrder)";
        return $"Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent({w}, Vector512.Load((sbyte*)({q}))), Vector512.Load({m}) * {scales})";
    }

    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p, string m) => p[1] == Zero
        ?
        [
            $"var pairs = Avx2.HorizontalAdd({p[0]}.GetLower(), {p[0]}.GetUpper());",
            "var quads = Avx2.HorizontalAdd(pairs, Vector256<int>.Zero);",
            $"var {name} = (quads.GetLower() + quads.GetUpper()).ToVector256();",
        ]
        :
        [
            $"var quad0 = (Avx512F.UnpackLow({p[0]}, {p[1]}) + Avx512F.UnpackHigh({p[0]}, {p[1]})).AsInt64();",
            $"var quad1 = (Avx512F.UnpackLow({p[2]}, {p[3]}) + Avx512F.UnpackHigh({p[2]}, {p[3]})).AsInt64();",
            "var ordered = Avx512F.PermuteVar16x32(Avx512F.UnpackLow(quad0, quad1).AsInt32() + Avx512F.UnpackHigh(quad0, quad1).AsInt32(), blockOrder);",
            $"var {name} = ordered.GetLower() + ordered.GetUpper();",
        ];

    // Where two loads hold all heads, a permutation takes them out.
    public override void GroupScales(SourceWriter code, string group, int blockBytes, int count, Func<int, string?> present, bool minimum)
    {
        if (count < 8 || present(0) != null || 3 * blockBytes + (minimum ? 4 : 2) > 64)
        {
            base.GroupScales(code, group, blockBytes, count, present, minimum);
            return;
        }
        var (type, size) = minimum ? ("int", 4) : ("short", 2);
        var lines = new[] { 0, 4 }.Select(j => $"Vector512.Load(({type}*)({group} + {j * blockBytes}))").ToArray();
        // Elements of the second load follow those of the first.
        var order = Enumerable.Range(0, 8).Select(j => (j % 4 * blockBytes + j / 4 * 64) / size);
        if (minimum)
        {
            code.Line($"var halves = Avx512F.PermuteVar16x32x2({lines[0]}, Vector256.Create({string.Join(", ", order)}).ToVector512Unsafe(), {lines[1]}).GetLower();");
            code.Line($"var scale = {BlockFormat.UpperHalfBits(Narrow, "Vector256.ShiftLeft(halves, 16)")};");
            code.Line($"var minimum = {BlockFormat.UpperHalfBits(Narrow, "halves")};");
            return;
        }
        code.Line($"var halves = Avx512BW.PermuteVar32x16x2({lines[0]}, Vector256.Create({string.Join(", ", order.Select(j => $"0x{j:x2}0000"))}).AsInt16().ToVector512Unsafe(), {lines[1]}).GetLower().AsInt32();");
        code.Line($"var scale = {BlockFormat.UpperHalfBits(Narrow, "halves")};");
    }
}
