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
    private readonly int _inputs = TilePlan.Float(set).Inputs;

    // A float32 row of whole vectors is read where it lies.
    private bool Direct => format == WeightFormat.F32 && size.IsConstant && size.Columns % 8 == 0;

    public void Emit(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* weights, {(size.IsConstant ? "" : "int columns, ")}byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)");
        code.Line($"{(size.IsConstant ? "const nint" : "var")} rowBytes = {size.Of(c => c * format.BlockBytes(), $"(nint)columns * {format.BlockBytes()}")};");
        code.Line($"{(size.IsConstant ? "const int" : "var")} padded = {size.Of(c => c + 7 & ~7, "columns + 7 & ~7")};");
        code.Open($"for (var r = firstRow; r < endRow; r += {_rows})");
        code.Line($"var rows = Math.Min({_rows}, endRow - r);");
        // Rows past the end repeat the last and are not stored.
        for (var i = 0; i < _rows; i++) code.Line($"var row{i} = weights + (r + {(i == 0 ? "0" : $"Math.Min({i}, rows - 1)")}) * rowBytes;");
        for (var i = 0; i < _rows; i++) code.Line(Direct ? $"var w{i} = (float*)row{i};" : $"var w{i} = (float*)scratch + {i} * padded;");
        if (!Direct)
            for (var i = 0; i < _rows; i++) Widen($"row{i}", $"w{i}");
        code.Line("var t = 0;");
        code.Open($"for (; t + {_inputs} <= count; t += {_inputs})");
        Tile(_inputs);
        code.Close();
        code.Open("for (; t < count; t++)");
        Tile(1);
        code.Close();
        code.Close();
        code.Close();
        code.Line();
    }

    private void Widen(string row, string floats)
    {
        code.Open("");
        var whole = size.Of(c => c & ~7, "(columns & ~7)");
        code.Open($"for (var k = 0; k < {whole}; k += 8)");
        for (var p = 0; p < set.Parts; p++) code.Line($"{set.V}.Store({FloatWeights.Load(set, format, row, $"k + {4 * p}")}, {floats} + k + {4 * p});");
        code.Close();
        FloatWeights.Tail(code, set, format, size, row, whole, p => code.Line($"{set.V}.Store({set.Part("last", p)}, {floats} + {whole} + {4 * p});"));
        code.Close();
    }

    private void Tile(int inputs)
    {
        for (var u = 0; u < inputs; u++) code.Line($"var x{u} = (float*)(x + (t + {u}) * xStride);");
        for (var i = 0; i < _rows; i++)
            for (var u = 0; u < inputs; u++)
                for (var p = 0; p < set.Parts; p++)
                    code.Line($"var {set.Part($"s{i}{u}", p)} = {set.V}<float>.Zero;");
        code.Open("for (var k = 0; k < padded; k += 8)");
        for (var u = 0; u < inputs; u++)
            for (var p = 0; p < set.Parts; p++)
                code.Line($"var {set.Part($"v{u}", p)} = {set.V}.Load(x{u} + k + {4 * p});");
        for (var i = 0; i < _rows; i++)
            for (var p = 0; p < set.Parts; p++)
            {
                var weights = set.Part($"m{i}", p);
                code.Line($"var {weights} = {set.V}.Load(w{i} + k + {4 * p});");
                for (var u = 0; u < inputs; u++)
                {
                    var sum = set.Part($"s{i}{u}", p);
                    code.Line($"{sum} = {set.Fma(weights, set.Part($"v{u}", p), sum)};");
                }
            }
        code.Close();
        for (var i = 0; i < _rows; i++)
        {
            if (i > 0) code.Open($"if (rows > {i})");
            for (var u = 0; u < inputs; u++)
            {
                var (four, two) = ($"four{i}{u}", $"two{i}{u}");
                code.Line($"var {four} = {(set.Parts == 1 ? $"s{i}{u}.GetLower() + s{i}{u}.GetUpper()" : $"s{i}{u}Low + s{i}{u}High")};");
                code.Line($"var {two} = {four} + Vector128.Shuffle({four}, Vector128.Create(2, 3, 2, 3));");
                code.Line($"y[(t + {u}) * yStride + r + {i}] = {two}.ToScalar() + {two}.GetElement(1);");
            }
            if (i > 0) code.Close();
        }
    }
}
