using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Planning;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>
/// Writes mat-mat kernels of the float formats: a tile of rows times input rows stays in registers, eight lanes an output; 16-bit weights are widened once
/// for all input rows.
/// </summary>
internal sealed class FloatMatrixEmitter(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size)
{
    private readonly int _rows = TilePlan.Float(set).Rows;
    // Rows are widened one by one.
    private readonly VectorSet _one = set.Narrow;

    // A float32 row of whole vectors is read where it lies.
    private bool Direct => format == WeightFormat.F32 && size.IsConstant && size.Columns % 8 == 0;

    private int Registers => _rows / set.Abreast;

    public void Emit(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* weights, {(size.IsConstant ? "" : "int columns, ")}byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)");
        code.Line($"{(size.IsConstant ? "const nint" : "var")} rowBytes = {size.Of(c => c * format.BlockBytes(), $"(nint)columns * {format.BlockBytes()}")};");
        code.Line($"{(size.IsConstant ? "const int" : "var")} padded = {size.Of(c => c + 7 & ~7, "columns + 7 & ~7")};");
        code.Open($"for (var r = firstRow; r < endRow; r += {_rows})");
        code.Line($"var rows = Math.Min({_rows}, endRow - r);");
        // Rows past the end repeat the last; their results are not stored, or fall on padding.
        for (var i = 0; i < _rows; i++) code.Line($"var row{i} = weights + (r + {(i == 0 ? "0" : $"Math.Min({i}, rows - 1)")}) * rowBytes;");
        if (!Direct)
        {
            // Rows that share a register lie there in turn, eight weights of each.
            for (var i = 0; i < Registers; i++) code.Line($"var w{i} = (float*)(scratch + Lookahead.Bytes) + {i} * {(set.Abreast == 1 ? "" : $"{set.Abreast} * ")}padded;");
            for (var i = 0; i < _rows; i++) Widen($"row{i}", $"w{i / set.Abreast}{(i % set.Abreast == 0 ? "" : " + 8")}");
        }
        code.Line("var t = 0;");
        foreach (var inputs in TilePlan.Float(set).Inputs)
        {
            code.Open($"for (; t + {inputs} <= count; t += {inputs})");
            Tile(inputs);
            code.Close();
        }
        code.Close();
        code.Close();
        code.Line();
    }

    private void Widen(string row, string floats)
    {
        code.Open("");
        var whole = size.Of(c => c & ~7, "(columns & ~7)");
        code.Open($"for (var k = 0; k < {whole}; k += 8)");
        for (var p = 0; p < set.Parts; p++) code.Line($"{_one.V}.Store({FloatWeights.Load(_one, format, row, $"k + {4 * p}")}, {floats} + {Step("k")} + {4 * p});");
        code.Close();
        FloatWeights.Tail(code, _one, format, size, row, whole, p => code.Line($"{_one.V}.Store({set.Part("last", p)}, {floats} + {Step(whole)} + {4 * p});"));
        code.Close();
    }

    private string Step(string k) => set.Abreast == 1 ? k : $"{set.Abreast} * {k}";

    private void Tile(int inputs)
    {
        for (var u = 0; u < inputs; u++) code.Line($"var x{u} = (float*)(x + (t + {u}) * xStride);");
        for (var i = 0; i < Registers; i++)
            for (var u = 0; u < inputs; u++)
                for (var p = 0; p < set.Parts; p++)
                    code.Line($"var {set.Part($"s{i}{u}", p)} = {set.V}<float>.Zero;");
        code.Open("for (var k = 0; k < padded; k += 8)");
        for (var u = 0; u < inputs; u++)
            for (var p = 0; p < set.Parts; p++)
                code.Line($"var {set.Part($"v{u}", p)} = {set.LoadInput($"x{u} + k + {4 * p}")};");
        for (var i = 0; i < Registers; i++)
            for (var p = 0; p < set.Parts; p++)
            {
                var weights = set.Part($"m{i}", p);
                code.Line($"var {weights} = {(Direct
                    ? FloatWeights.Load(set, format, $"row{set.Abreast * i}", $"k + {4 * p}", $"row{set.Abreast * i + 1}")
                    : $"{set.V}.Load(w{i} + {Step("k")} + {4 * p})")};");
                for (var u = 0; u < inputs; u++)
                {
                    var sum = set.Part($"s{i}{u}", p);
                    code.Line($"{sum} = {set.Fma(weights, set.Part($"v{u}", p), sum)};");
                }
            }
        code.Close();
        for (var u = 0; u < inputs && set.Abreast == 2; u++)
            LaneTree.StoreRows(code, [.. Enumerable.Range(0, Registers).Select(i => $"s{i}{u}")], u.ToString(), $"y + (t + {u}) * yStride + r");
        for (var i = 0; i < Registers && set.Abreast == 1; i++)
        {
            if (i > 0) code.Open($"if (rows > {i})");
            for (var u = 0; u < inputs; u++) LaneTree.Store(code, set, $"s{i}{u}", $"{i}{u}", $"y[(t + {u}) * yStride + r + {i}]");
            if (i > 0) code.Close();
        }
    }
}
