using TinyLora.Generators.Specs;

namespace TinyLora.Generators.InstructionSets;

/// <summary>ARM64 AdvSimd, with SDOT or with widening multiplies in its place.</summary>
internal sealed class NeonSet(bool dot) : PortableSet
{
    public override string Name => dot ? "NeonDot" : "Neon";

    public override Processor Processor => Processor.Arm64;

    public override int Registers => 32;

    public override int PanelRows => dot ? 8 : 0;

    public override string Fma(string a, string b, string c) => $"AdvSimd.FusedMultiplyAdd({c}, {a}, {b})";

    public override string Dot(string w, string q, string m, bool signed) => $"BlockDot.{Name}({w}Low, {w}High, {q}, {m})";

    public override string ScaledHalvesDot(string w, string q, string m, string s) => $"BlockDot.{Name}Scaled({w}Low, {w}High, {q}, {m}, {s})";

    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p, string m) =>
    [
        $"var {name}Low = {Pairs(Pairs(p[0], p[1]), Pairs(p[2], p[3]))};",
        $"var {name}High = {Pairs(Pairs(p[4], p[5]), Pairs(p[6], p[7]))};",
    ];

    private static string Pairs(string a, string b) => $"AdvSimd.Arm64.AddPairwise({a}, {b})";
}
