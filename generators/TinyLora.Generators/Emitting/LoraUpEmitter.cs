using System.Globalization;
using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Planning;
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
        foreach (var (on, panels) in new[] { (set, 4 * set.Abreast), (set.Narrow, 1) })
        {
            code.Open(panels == 1
                ? "for (; r < endRow; r += 8, panel += panelBytes)"
                : $"for (; r + {8 * panels} <= endRow; r += {8 * panels}, panel += {panels} * panelBytes)");
            Pass(on, panels);
            code.Close();
        }
        code.Close();
        code.Line();
    }

    private void Pass(VectorSet on, int panels)
    {
        for (var i = 1; i < panels; i++) code.Line($"var panel{i} = panel + {i} * panelBytes;");
        code.Line("var output = y + r;");
        code.Line("var t = d;");
        code.Line("var i = 0;");
        // Weights are widened once for several input rows.
        foreach (var inputs in new[] { TilePlan.LoraUpInputs(set), 1 }.Distinct())
        {
            code.Open($"for (; i + {inputs} <= count; i += {inputs}, output += {inputs} * yStride, t += {inputs} * dStride)");
            // Joining and widening the 16-bit weights of two panels must serve several inputs to pay.
            var by = inputs > 1 || format == WeightFormat.F32 ? on : on.Narrow;
            Tile(by, panels, inputs);
            code.Close();
        }
    }

    private void Tile(VectorSet on, int panels, int inputs)
    {
        var registers = panels / on.Abreast;
        for (var u = 0; u < inputs; u++)
            foreach (var (i, p) in Parts(on, registers)) code.Line($"var {Sum(on, u, i, p)} = {on.V}.Load({Output(on, u, i, p)});");
        code.Open($"for (var j = 0; j < {(IsConstant ? rank.ToString(CultureInfo.InvariantCulture) : "rank")}; j++)");
        // The next panels lie behind these: each step asks for its share of them.
        if (on.Parts == 1 && panels > 1)
            for (var line = 0; line < 8 * panels * format.BlockBytes(); line += 64)
                code.Line($"Sse.Prefetch0(panel + {panels} * panelBytes + {8 * panels * format.BlockBytes()} * j{(line == 0 ? "" : $" + {line}")});");
        for (var u = 0; u < inputs; u++) code.Line($"var factor{u} = {on.V}.Create(t[{(u == 0 ? "" : $"{u} * dStride + ")}j]);");
        foreach (var (i, p) in Parts(on, registers))
        {
            var weights = on.Part($"b{i}", p);
            code.Line($"var {weights} = {FloatWeights.Load(on, format, Panel(i * on.Abreast), $"8 * j + {4 * p}", Panel(i * on.Abreast + 1))};");
            for (var u = 0; u < inputs; u++) code.Line($"{Sum(on, u, i, p)} = {on.Fma(weights, $"factor{u}", Sum(on, u, i, p))};");
        }
        code.Close();
        for (var u = 0; u < inputs; u++)
            foreach (var (i, p) in Parts(on, registers)) code.Line($"{on.V}.Store({Sum(on, u, i, p)}, {Output(on, u, i, p)});");
    }

    private static IEnumerable<(int Register, int Part)> Parts(VectorSet on, int registers)
    {
        for (var i = 0; i < registers; i++)
            for (var p = 0; p < on.Parts; p++)
                yield return (i, p);
    }

    private static string Sum(VectorSet on, int input, int register, int part) => on.Part($"sum{input}{register}", part);

    private static string Output(VectorSet on, int input, int register, int part) => $"output + {(input == 0 ? "" : $"{input} * yStride + ")}{8 * on.Abreast * register + 4 * part}";

    private static string Panel(int index) => index == 0 ? "panel" : $"panel{index}";
}
