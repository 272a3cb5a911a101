using System.Globalization;
using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>
/// Writes the up-projection of an adapter: y[t, r] += Σ_j B[r, j] d[t, j], one fused multiply-add a rank in ascending order, a row a lane, B in panels of eight rows.
/// </summary>
internal sealed class LoraUpEmitter(SourceWriter code, VectorSet set, WeightFormat format, int rank)
{
    private bool IsConstant => rank > 0;

    public void Emit(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* b, {(IsConstant ? "" : "int rank, ")}float* d, nint dStride, int count, float* y, nint yStride, int firstRow, int endRow)");
        var bytes = format.BlockBytes();
        code.Line($"{(IsConstant ? "const int" : "var")} panelBytes = {(IsConstant ? (8 * rank * bytes).ToString() : $"{8 * bytes} * (nint)rank")};");
        code.Line("var panel = b + firstRow / 8 * panelBytes;");
        code.Line("var r = firstRow;");
        // One panel's sums wait for each other; those of several panels do not.
        foreach (var panels in new[] { 4, 1 })
        {
            code.Open(panels == 1
                ? "for (; r < endRow; r += 8, panel += panelBytes)"
                : $"for (; r + {8 * panels} <= endRow; r += {8 * panels}, panel += {panels} * panelBytes)");
            Pass(panels);
            code.Close();
        }
        code.Close();
        code.Line();
    }

    private void Pass(int panels)
    {
        code.Line("var output = y + r;");
        code.Line("var t = d;");
        code.Open("for (var i = 0; i < count; i++, output += yStride, t += dStride)");
        for (var i = 0; i < panels; i++)
            for (var p = 0; p < set.Parts; p++) code.Line($"var {Sum(i, p)} = {set.V}.Load(output + {8 * i + 4 * p});");
        for (var i = 1; i < panels; i++) code.Line($"var panel{i} = panel + {i} * panelBytes;");
        code.Open($"for (var j = 0; j < {(IsConstant ? rank.ToString(CultureInfo.InvariantCulture) : "rank")}; j++)");
        code.Line($"var factor = {set.V}.Create(t[j]);");
        for (var i = 0; i < panels; i++)
            for (var p = 0; p < set.Parts; p++)
                code.Line($"{Sum(i, p)} = {set.Fma(FloatWeights.Load(set, format, i == 0 ? "panel" : $"panel{i}", $"8 * j + {4 * p}"), "factor", Sum(i, p))};");
        code.Close();
        for (var i = 0; i < panels; i++)
            for (var p = 0; p < set.Parts; p++) code.Line($"{set.V}.Store({Sum(i, p)}, output + {8 * i + 4 * p});");
        code.Close();
    }

    private string Sum(int panel, int part) => set.Part($"sum{panel}", part);
}
