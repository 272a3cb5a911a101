using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Writes mat-vec kernels: y[r] = Σ_k W[r, k] x[k] for a range of rows, one row at a time over one sequential stream of weights.</summary>
internal sealed class VectorProductEmitter(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size)
{
    private readonly BlockFormat _blocks = new(format, set);
    private readonly BlockPair _pairs = new(code, format);
    // Eight lanes of sums, whatever the registers of the blocks hold.
    private readonly VectorSet _lanes = set.Narrow;
    // Widening 16 bits to a register of two rows costs more than it saves.
    private readonly VectorSet _rows = format == WeightFormat.F32 ? set : set.Narrow;

    public void Emit(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* weights, {(size.IsConstant ? "" : "int columns, ")}byte* x, float* y, int firstRow, int endRow)");
        Prologue();
        code.Line("var row = weights + firstRow * rowBytes;");
        code.Line("var r = firstRow;");
        if (!format.IsQuantized())
        {
            // One row's sums wait for each other; those of several rows do not.
            code.Open($"for (; r + {FloatRows} <= endRow; r += {FloatRows}, row += {FloatRows} * rowBytes)");
            FloatSums(_rows, "x", FloatRows);
            if (_rows.Abreast == 2) LaneTree.StoreRows(code, ["sum0", "sum1"], "", "y + r");
            else for (var i = 0; i < FloatRows; i++) Store(i, $"y[r + {i}]");
            code.Close();
        }
        code.Open("for (; r < endRow; r++, row += rowBytes)");
        OneRow("x", "y[r]");
        code.Close();
        code.Close();
        code.Line();
    }

    /// <summary>The same for several input rows, row of W by row of W, for sets without panels.</summary>
    public void EmitMatrix(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* weights, {(size.IsConstant ? "" : "int columns, ")}byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)");
        Prologue();
        code.Line("var row = weights + firstRow * rowBytes;");
        code.Open("for (var r = firstRow; r < endRow; r++, row += rowBytes)");
        code.Open("for (var t = 0; t < count; t++)");
        code.Line("var input = x + t * xStride;");
        OneRow("input", "y[t * yStride + r]");
        code.Close();
        code.Close();
        code.Close();
        code.Line();
    }

    private void Prologue()
    {
        if (!format.IsQuantized())
        {
            code.Line($"{(size.IsConstant ? "const nint" : "var")} rowBytes = {size.Of(c => c * format.BlockBytes(), $"(nint)columns * {format.BlockBytes()}")};");
            return;
        }
        code.Line($"{(size.IsConstant ? "const nint" : "var")} rowBytes = {size.Of(c => c / format.BlockSize() * format.BlockBytes(), $"(nint)(columns / {format.BlockSize()}) * {format.BlockBytes()}")};");
        if (!size.IsConstant)
        {
            code.Line("var wholeBlocks = columns / 32 & ~7;");
            if (!format.IsSuperBlock()) code.Line("var tail = columns / 32 & 7;");
            foreach (var line in RowOffsets.Prologue) code.Line(line);
        }
        foreach (var line in set.Constants) code.Line(line);
    }

    private void OneRow(string x, string output)
    {
        if (format.IsQuantized())
        {
            for (var p = 0; p < set.Parts; p++) code.Line($"var {Sum(0, p)} = {_lanes.V}<float>.Zero;");
            QuantizedRow(x);
        }
        else FloatSums(_lanes, x, 1);
        Store(0, output);
    }

    private void Store(int row, string output) => LaneTree.Store(code, _lanes, $"sum{row}", $"{row}", output);

    private string Sum(int row, int part) => set.Part($"sum{row}", part);

    private void QuantizedRow(string x)
    {
        var offsets = new RowOffsets(size);
        code.Line($"var scales = (float*)({x} + {offsets.Scales});");
        if (format.HasMinimum()) code.Line($"var scaledSums = (float*)({x} + {offsets.ScaledSums});");
        if (_blocks.OffsetShift > 0) code.Line($"var blockSums = (int*)({x} + {offsets.Sums});");
        if (format == WeightFormat.Q6_K && set.UnsignedWeights) code.Line($"var halfSums = (int*)({x} + {offsets.HalfSums});");
        code.Line("var group = row;");
        code.Line($"var q = {x};");
        code.Line($"var m = (short*)({x} + {offsets.Multipliers});");
        var whole = size.Of(c => c / 32 & ~7, "wholeBlocks");
        if (whole != "0")
        {
            code.Open($"for (var b = 0; b < {whole}; b += 8, group += {_blocks.GroupBytes}, q += 256, m += 128)");
            Group("b", 8, _ => null);
            code.Close();
        }
        if (format.IsSuperBlock()) return;
        if (!size.IsConstant)
        {
            code.Open("if (tail != 0)");
            Group("wholeBlocks", 7, j => $"tail > {j}");
            code.Close();
        }
        else if ((size.Columns / 32 & 7) is var tail and > 0)
        {
            code.Open("");
            Group(whole, tail, _ => null);
            code.Close();
        }
    }

    // Eight blocks: their exact integer sums side by side, one fused multiply-add into the lanes.
    private void Group(string b, int count, Func<int, string?> present)
    {
        if (set.Bits >= 256 && count == 8)
            for (var line = 0; line < _blocks.GroupBytes; line += 64) code.Line($"Sse.Prefetch0(group + {Prefetch + line});");
        if (set.Abreast == 2) _pairs.UnpackShared("group");
        else _blocks.UnpackShared(code, "group");
        var partials = Enumerable.Repeat(set.Zero, 8 / set.Abreast).ToArray();
        for (var j = 0; j < count; j += set.Abreast)
        {
            partials[j / set.Abreast] = $"p{j}";
            if (present(j) is { } condition)
            {
                code.Line($"var p{j} = {set.Zero};");
                code.Open($"if ({condition})");
                Unpack(j, count, present);
                code.Line($"p{j} = {Dot(j)};");
                code.Close();
            }
            else
            {
                Unpack(j, count, present);
                code.Line($"var p{j} = {Dot(j)};");
            }
        }
        foreach (var line in set.Reduce("sums", partials, _blocks.Signed || format == WeightFormat.Q6_K ? "" : "m")) code.Line(line);
        _blocks.Scales(code, "group", count, present);
        if (format == WeightFormat.Q6_K && set.UnsignedWeights)
        {
            // q6 = w + 32: less 32 times the sum over both halves of scale · Σ m q.
            code.Line($"var offsets0 = Avx2.ConvertToVector256Int32((sbyte*)group + 192) * Vector256.Load(halfSums + 2 * ({b}));");
            code.Line($"var offsets1 = Avx2.ConvertToVector256Int32((sbyte*)group + 200) * Vector256.Load(halfSums + 2 * ({b}) + 8);");
            code.Line("var offsets = Avx2.Permute4x64(Avx2.HorizontalAdd(offsets0, offsets1).AsInt64(), 0xD8).AsInt32();");
        }
        for (var p = 0; p < set.Parts; p++)
        {
            var (at, sums, sum) = ($"{b} + {p * 4}", set.Part("sums", p), Sum(0, p));
            if (_blocks.OffsetShift > 0) sums = $"({sums} - {_lanes.V}.ShiftLeft({_lanes.V}.Load(blockSums + {at}), {_blocks.OffsetShift}))";
            if (format == WeightFormat.Q6_K && set.UnsignedWeights)
                sums = $"({sums} - Vector256.ShiftLeft(offsets, 5))";
            code.Line($"{sum} = {_lanes.Fma($"{_lanes.V}.ConvertToSingle({sums})", $"{set.Part("scale", p)} * {_lanes.V}.Load(scales + {at})", sum)};");
            if (format.HasMinimum()) code.Line($"{sum} = {_lanes.Fma(set.Part("minimum", p), $"{_lanes.V}.Load(scaledSums + {at})", sum)};");
        }
    }

    private void Unpack(int j, int count, Func<int, string?> present)
    {
        if (set.Abreast == 1)
        {
            _blocks.Unpack(code, "group", j);
            return;
        }
        // The last block of an odd number stands beside itself: its second sum falls on activations of scale zero.
        var (first, second) = (j * format.BlockBytes(), Math.Min(j + 1, count - 1) * format.BlockBytes());
        _pairs.Unpack("group", j, $"group + {first}", present(j + 1) is { } condition && second > first ? $"group + ({condition} ? {second} : {first})" : $"group + {second}");
    }

    // Far enough ahead for one thread's stream, near enough to stay in the first cache.
    private const int Prefetch = 2048;

    private string Dot(int j) => format == WeightFormat.Q6_K
        ? set.ScaledHalvesDot($"w{j}", $"q + {32 * j}", $"m + {16 * j}", BlockFormat.HalfScales("group", j))
        : set.Dot($"w{j}", $"q + {32 * j}", $"m + {16 * j}", _blocks.Signed);

    private const int FloatRows = 4;

    private void FloatSums(VectorSet on, string x, int rows)
    {
        var registers = rows / on.Abreast;
        code.Line($"var floats = (float*){x};");
        for (var i = 1; i < rows; i++) code.Line($"var row{i} = row + {i} * rowBytes;");
        for (var i = 0; i < registers; i++)
            for (var p = 0; p < set.Parts; p++) code.Line($"var {Sum(i, p)} = {on.V}<float>.Zero;");
        var whole = size.Of(c => c & ~7, "(columns & ~7)");
        if (whole != "0")
        {
            code.Open($"for (var k = 0; k < {whole}; k += 8)");
            // Several streams are too many for the processor to foresee: the next rows are asked for as these are read.
            if (rows > 1 && set.Bits >= 256)
                for (var line = 0; line < 8 * rows * format.BlockBytes(); line += 64)
                    code.Line($"Sse.Prefetch0(row + {rows} * rowBytes + k * {rows * format.BlockBytes()} + {line});");
            for (var p = 0; p < set.Parts; p++) code.Line($"var {set.Part("input8", p)} = {on.LoadInput($"floats + k + {4 * p}")};");
            for (var i = 0; i < registers; i++)
                for (var p = 0; p < set.Parts; p++)
                    code.Line($"{Sum(i, p)} = {on.Fma(FloatWeights.Load(on, format, Row(i * on.Abreast), $"k + {4 * p}", Row(i * on.Abreast + 1)), set.Part("input8", p), Sum(i, p))};");
            code.Close();
        }
        for (var i = 0; i < registers; i++)
        {
            var register = i;
            FloatWeights.Tail(code, on, format, size, Row(i * on.Abreast), whole, p =>
                code.Line($"{Sum(register, p)} = {on.Fma(set.Part("last", p), on.LoadInput($"floats + {whole} + {4 * p}"), Sum(register, p))};"), Row(i * on.Abreast + 1));
        }
    }

    private static string Row(int index) => index == 0 ? "row" : $"row{index}";
}
