using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Tests.Kernels;

/// <summary>
/// x ≈ d m q. With d0 = max / 127² and m the ceiling of an eight's own 127 max8 / max, q is x / (d0 m) rounded: |x - d0 m q| is at most half a step, d0 m / 2.
/// The stored d is the one that makes the block's sum of squares least, so the block's error is no larger than with d0; a single number's may grow by |d - d0| m |q|.
/// </summary>
public unsafe class QuantizedRowTests
{
    // Roundings in float32 of the factors, of their product with x, and of the sums behind d.
    private const double Slack = 1e-5;

    [Theory]
    [InlineData(32)]
    [InlineData(96)]
    [InlineData(256)]
    [InlineData(544)]
    public void Errors_sums_and_layout(int columns)
    {
        var random = new Random(columns);
        using var x = AlignedBuffer.OfFloats(columns);
        using var row = new AlignedBuffer(QuantizedRow.Bytes(columns));
        for (var round = 0; round < 50; round++)
        {
            for (var k = 0; k < columns; k++) x.Floats[k] = (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-6, 4)));
            if (round == 1) new Span<float>(x.Floats, columns).Clear();
            if (round == 2) new Span<float>(x.Floats, columns).Fill(-3.5f);
            new Span<byte>(row.Pointer, (int)row.Bytes).Fill(0xcc);
            QuantizedRow.Quantize(x.Floats, row.Pointer, columns);
            Check(x.Floats, row.Pointer, columns);
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void What_is_not_finite_stays_so(float number)
    {
        const int Columns = 96, Rows = 8;
        using var x = AlignedBuffer.OfFloats(Columns);
        using var row = new AlignedBuffer(QuantizedRow.Bytes(Columns));
        using var y = AlignedBuffer.OfFloats(Rows);
        foreach (var type in (ElementType[])[ElementType.Q8_0, ElementType.Q4_0, ElementType.Q4_1])
        {
            using var weights = RandomWeights.Make(type, Rows, Columns, new Random(1));
            for (var at = 0; at < Columns; at += 5)
            {
                new Span<float>(x.Floats, Columns).Fill(0.5f);
                x.Floats[at] = number;
                QuantizedRow.Quantize(x.Floats, row.Pointer, Columns);
                ScalarKernels.MultiplyVector(~(int)type, weights.Pointer, Columns, row.Pointer, y.Floats, 0, Rows);
                for (var r = 0; r < Rows; r++) Assert.True(float.IsNaN(y.Floats[r]), $"{type}, {at}: {y.Floats[r]}");
            }
        }
    }

    [Fact]
    public void Offsets_follow_one_another_without_overlap()
    {
        for (var columns = 32; columns <= 8192; columns += 32)
        {
            var padded = (columns / 32 + 7) / 8 * 8;
            Assert.True(QuantizedRow.MultipliersOffset(columns) >= columns);
            Assert.Equal(QuantizedRow.MultipliersOffset(columns) + 16 * sizeof(short) * padded, QuantizedRow.ScalesOffset(columns));
            Assert.Equal(QuantizedRow.ScalesOffset(columns) + 4 * padded, QuantizedRow.ScaledSumsOffset(columns));
            Assert.Equal(QuantizedRow.ScaledSumsOffset(columns) + 4 * padded, QuantizedRow.SumsOffset(columns));
            Assert.Equal(QuantizedRow.SumsOffset(columns) + 4 * padded, QuantizedRow.HalfSumsOffset(columns));
            Assert.InRange(QuantizedRow.Bytes(columns), QuantizedRow.HalfSumsOffset(columns) + 8 * padded, QuantizedRow.HalfSumsOffset(columns) + 8 * padded + 63);
            Assert.Equal(0, QuantizedRow.Bytes(columns) % 64);
        }
    }

    private static void Check(float* x, byte* row, int columns)
    {
        var q = (sbyte*)row;
        var m = (short*)(row + QuantizedRow.MultipliersOffset(columns));
        var scales = (float*)(row + QuantizedRow.ScalesOffset(columns));
        var scaledSums = (float*)(row + QuantizedRow.ScaledSumsOffset(columns));
        var sums = (int*)(row + QuantizedRow.SumsOffset(columns));
        var halves = (int*)(row + QuantizedRow.HalfSumsOffset(columns));
        for (var b = 0; b < columns / 32; b++)
        {
            double max = 0, error = 0, plainError = 0, cross = 0, squares = 0;
            for (var k = 32 * b; k < 32 * b + 32; k++) max = Math.Max(max, Math.Abs(x[k]));
            var plain = max / 16129;
            int[] half = [0, 0];
            for (var i = 0; i < 32; i++)
            {
                var k = 32 * b + i;
                int multiplier = m[16 * b + i / 8 * 4];
                for (var copy = 1; copy < 4; copy++) Assert.Equal(multiplier, m[16 * b + i / 8 * 4 + copy]);
                Assert.InRange(multiplier, 1, 127);
                Assert.InRange((int)q[k], -127, 127);
                var value = multiplier * q[k];
                half[i / 16] += value;
                Assert.True(Math.Abs(x[k] - plain * value) <= plain * multiplier * (0.5 + 127 * Slack), $"{x[k]:R} as {multiplier} * {q[k]} * {plain:R}");
                error += Square(x[k] - (double)scales[b] * value);
                plainError += Square(x[k] - plain * value);
                cross += x[k] * (double)value;
                squares += (double)value * value;
            }
            Assert.Equal(half[0], halves[2 * b]);
            Assert.Equal(half[1], halves[2 * b + 1]);
            Assert.Equal(half[0] + half[1], sums[b]);
            Assert.Equal(scales[b] * (half[0] + half[1]), scaledSums[b]);
            if (max == 0)
            {
                Assert.Equal(0, scales[b]);
                continue;
            }
            Assert.InRange(scales[b] / (cross / squares), 1 - Slack, 1 + Slack);
            Assert.True(error <= plainError + Square(Slack * plain) * squares);
        }
        for (var b = columns / 32; b < (columns / 32 + 7) / 8 * 8; b++)
        {
            Assert.Equal((0f, 0f, 0, 0, 0), (scales[b], scaledSums[b], sums[b], halves[2 * b], halves[2 * b + 1]));
            for (var i = 0; i < 16; i++) Assert.Equal(0, m[16 * b + i]);
        }
    }

    private static double Square(double x) => x * x;
}
