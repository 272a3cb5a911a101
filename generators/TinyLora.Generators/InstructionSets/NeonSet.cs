using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

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

    // Each part of eight rows is two squares of four by four.
    public override void Transpose(SourceWriter code, string rows, string columns)
    {
        foreach (var part in (int[])[0, 1])
            for (var i = 0; i < 8; i += 4)
            {
                var name = $"{(part == 0 ? "low" : "high")}{i}";
                for (var j = 0; j < 2; j++)
                    foreach (var half in (string[])["Low", "High"])
                        code.Line($"var {name}{j}{half} = AdvSimd.Arm64.Zip{half}({Part(rows + (i + j), part)}.AsInt32(), {Part(rows + (i + j + 2), part)}.AsInt32());");
                for (var k = 0; k < 4; k++)
                {
                    var source = k < 2 ? "Low" : "High";
                    code.Line($"var {Part(columns + (4 * part + k), i / 4)} = AdvSimd.Arm64.Zip{(k % 2 == 0 ? "Low" : "High")}({name}0{source}, {name}1{source});");
                }
            }
    }
}
