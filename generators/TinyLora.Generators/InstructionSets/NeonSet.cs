namespace TinyLora.Generators.InstructionSets;

/// <summary>ARM64 AdvSimd, with SDOT or with widening multiplies in its place.</summary>
internal sealed class NeonSet(bool dot) : PortableSet
{
    public override string Name => dot ? "NeonDot" : "Neon";

    public override int Registers => 32;

    public override int PanelRows => dot ? 8 : 0;

    public override string Fma(string a, string b, string c) => $"AdvSimd.FusedMultiplyAdd({c}, {a}, {b})";

    public override string Dot(string w, string q, bool signed) => dot
        ? $"Dp.DotProduct(Dp.DotProduct(Vector128<int>.Zero, {W(w, 0)}, {Q(q, 0)}), {W(w, 1)}, {Q(q, 1)})"
        : $"BlockDot.Neon({w}Low, {w}High, {q})";

    public override string ScaledHalvesDot(string w, string q, string s) => dot
        ? $"Dp.DotProduct(Vector128<int>.Zero, {W(w, 0)}, {Q(q, 0)}) * {s}[0] + Dp.DotProduct(Vector128<int>.Zero, {W(w, 1)}, {Q(q, 1)}) * {s}[1]"
        : $"BlockDot.NeonScaled({w}Low, {w}High, {q}, {s})";

    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p) =>
    [
        $"var {name}Low = {Pairs(Pairs(p[0], p[1]), Pairs(p[2], p[3]))};",
        $"var {name}High = {Pairs(Pairs(p[4], p[5]), Pairs(p[6], p[7]))};",
    ];

    private static string Pairs(string a, string b) => $"AdvSimd.Arm64.AddPairwise({a}, {b})";

    private string W(string w, int part) => $"{Part(w, part)}.AsSByte()";

    private static string Q(string q, int part) => $"Vector128.Load((sbyte*)({q}) + {16 * part})";
}
