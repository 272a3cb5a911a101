using TinyLora.Generators.Emitting;
using TinyLora.Generators.Text;

using TinyLora.Generators.Specs;

namespace TinyLora.Generators.InstructionSets;

/// <summary>128-bit vectors of any machine, by .NET's portable API. Its fused multiply-add is one in software where the machine has none.</summary>
internal class PortableSet : VectorSet
{
    public override string Name => "Vector128";

    public override Processor Processor => Processor.Any;

    public override int Bits => 128;

    public override int Registers => 16;

    public override int PanelRows => 0;

    public override bool UnsignedWeights => false;

    public override string Fma(string a, string b, string c) => $"Vector128.FusedMultiplyAdd({a}, {b}, {c})";

    public override IEnumerable<string> Constants =>
    [
        "var lowNibbles = Vector128.Create((byte)15);",
        "var spreadLow = Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);",
        "var spreadHigh = Vector128.Create((byte)2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);",
        "var bits = Vector128.Create(0x8040201008040201UL).AsByte();",
    ];

    public override string Nibbles(string p, int part) =>
        part == 0 ? $"Vector128.Load({p}) & lowNibbles" : $"Vector128.ShiftRightLogical(Vector128.Load({p}), 4)";

    public override string FifthBits(string p, int part) =>
        $"Vector128.Equals(Vector128.Shuffle(Vector128.Create(*(uint*)({p})).AsByte(), {Part("spread", part)}) & bits, bits) & Vector128.Create((byte)16)";

    public override string Dot(string w, string q, string m, bool signed) => $"BlockDot.Portable({w}Low, {w}High, {q}, {m})";

    public override string ScaledHalvesDot(string w, string q, string m, string s) => $"BlockDot.PortableScaled({w}Low, {w}High, {q}, {m}, {s})";

    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p, string m) =>
    [
        $"var {name}Low = Vector128.Create(Vector128.Sum({p[0]}), Vector128.Sum({p[1]}), Vector128.Sum({p[2]}), Vector128.Sum({p[3]}));",
        $"var {name}High = Vector128.Create(Vector128.Sum({p[4]}), Vector128.Sum({p[5]}), Vector128.Sum({p[6]}), Vector128.Sum({p[7]}));",
    ];

    public override void HalfScales(SourceWriter code, IReadOnlyList<(string At, string? Condition)> heads, bool minimum)
    {
        foreach (var (name, offset) in minimum ? [("scale", 0), ("minimum", 2)] : new[] { ("scale", 0) })
            for (var p = 0; p < 2; p++)
            {
                var lanes = Enumerable.Range(4 * p, 4).Select(j => j >= heads.Count ? "0" : (heads[j].Condition is { } condition ? condition + " ? " : "")
                    + $"*(short*)({heads[j].At} + {offset})" + (heads[j].Condition == null ? "" : " : 0"));
                code.Line($"var {Part(name, p)} = {BlockFormat.HalfBits(this, $"Vector128.Create({string.Join(", ", lanes)})")};");
            }
    }

    public override void Transpose(SourceWriter code, string rows, string columns) =>
        throw new NotSupportedException($"{Name} multiplies row by row.");

    public override string WidenBytes(string eightBytes, int part) =>
        $"Vector128.{(part == 0 ? "WidenLower" : "WidenUpper")}(Vector128.WidenLower(Vector128.CreateScalar({eightBytes}).AsByte())).AsInt32()";
}
