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
        code.Open("for (var r = firstRow; r < endRow; r += 8, panel += panelBytes)");
        code.Line("var output = y + r;");
        code.Line("var t = d;");
        code.Open("for (var i = 0; i < count; i++, output += yStride, t += dStride)");
        for (var p = 0; p < set.Parts; p++) code.Line($"var {set.Part("sum", p)} = {set.V}.Load(output + {4 * p});");
        if (IsConstant)
            for (var j = 0; j < rank; j++) Step($"{8 * j}", $"{j}");
        else
        {
            code.Open("for (var j = 0; j < rank; j++)");
            Step("8 * j", "j");
            code.Close();
        }
        for (var p = 0; p < set.Parts; p++) code.Line($"{set.V}.Store({set.Part("sum", p)}, output + {4 * p});");
        code.Close();
        code.Close();
        code.Close();
        code.Line();
    }

    private void Step(string element, string j)
    {
        for (var p = 0; p < set.Parts; p++)
        {
            var sum = set.Part("sum", p);
            code.Line($"{sum} = {set.Fma(FloatWeights.Load(set, format, "panel", $"{element} + {4 * p}"), $"{set.V}.Create(t[{j}])", sum)};");
        }
    }
}
