using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Tests.Kernels;

/// <summary>Norm, rotation, gate and attention against the same formulas in double. Bounds count the roundings (u = 2^-24 each) on the way to a number.</summary>
public unsafe class LayerFunctionTests
{
    private const double U = 1.0 / (1 << 24);

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(577)]
    public void RmsNorm_is_that_of_doubles(int size)
    {
        using var x = Random(size, 1);
        using var w = Random(size, 2);
        using var y = AlignedBuffer.OfFloats(size);
        RmsNorm.Apply(x.Floats, w.Floats, y.Floats, size, 1e-5f);
        double sum = 0;
        for (var k = 0; k < size; k++) sum += (double)x.Floats[k] * x.Floats[k];
        var inverse = 1 / Math.Sqrt(sum / size + 1e-5f);
        for (var k = 0; k < size; k++)
        {
            var exact = x.Floats[k] * inverse * w.Floats[k];
            // Squares are positive: size / 8 + 3 roundings of the sum, halved by the root, and six more.
            Assert.InRange(y.Floats[k] - exact, -(size / 16 + 8) * U * Math.Abs(exact), (size / 16 + 8) * U * Math.Abs(exact));
        }
    }

    [Theory]
    [InlineData(RotaryLayout.Interleaved, 6)]
    [InlineData(RotaryLayout.Interleaved, 32)]
    [InlineData(RotaryLayout.Halves, 12)]
    [InlineData(RotaryLayout.Halves, 64)]
    public void Rotation_is_that_of_doubles(RotaryLayout layout, int size)
    {
        var frequencies = new double[size / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = Math.Pow(10000, -2.0 * i / size);
        using var x = Random(size, 3);
        using var y = AlignedBuffer.OfFloats(size);
        using var cos = AlignedBuffer.OfFloats(size);
        using var sin = AlignedBuffer.OfFloats(size);
        foreach (var position in new[] { 0, 1, 77, 4095, 131071 })
        {
            RotaryEmbedding.Angles(frequencies, 1f, position, layout, cos.Floats, sin.Floats);
            RotaryEmbedding.Rotate(x.Floats, y.Floats, cos.Floats, sin.Floats, size, layout);
            for (var i = 0; i < size / 2; i++)
            {
                var (a, b) = layout == RotaryLayout.Interleaved ? (2 * i, 2 * i + 1) : (i, i + size / 2);
                var angle = position * frequencies[i];
                var bound = 4 * U * (Math.Abs(x.Floats[a]) + Math.Abs(x.Floats[b]));
                Assert.InRange(y.Floats[a] - (x.Floats[a] * Math.Cos(angle) - x.Floats[b] * Math.Sin(angle)), -bound, bound);
                Assert.InRange(y.Floats[b] - (x.Floats[b] * Math.Cos(angle) + x.Floats[a] * Math.Sin(angle)), -bound, bound);
            }
        }
    }

    [Fact]
    public void Gate_is_that_of_doubles()
    {
        const int Size = 1024;
        using var gate = AlignedBuffer.OfFloats(Size);
        using var up = Random(Size, 4);
        var g = new float[Size];
        for (var k = 0; k < Size; k++) gate.Floats[k] = g[k] = (k - 512) / 16f;
        SwiGlu.Apply(gate.Floats, up.Floats, Size);
        for (var k = 0; k < Size; k++)
        {
            var exact = g[k] / (1 + Math.Exp(-(double)g[k])) * up.Floats[k];
            // 2e-7 of the exponential and three roundings.
            var bound = (2e-7 + 4 * U) * Math.Abs(exact);
            Assert.InRange(gate.Floats[k] - exact, -bound, bound);
        }
    }

    [Theory]
    [InlineData(0, 0, 8)]
    [InlineData(0, 40, 32)]
    [InlineData(13, 50, 64)]
    [InlineData(3, 31, 20)]
    public void Attention_is_that_of_doubles(int first, int last, int headSize)
    {
        var stride = (headSize + 7) & ~7;
        var positions = (last + 8) & ~7;
        using var query = Random(headSize, 5);
        using var keys = Random(positions * headSize, 6);
        using var values = Random(positions * stride, 7);
        using var scores = AlignedBuffer.OfFloats(positions + 64);
        using var output = AlignedBuffer.OfFloats(stride);
        // What lies outside of the window must not count, whatever it is.
        for (var j = 0; j < positions; j++)
            if (j < first || j > last)
                for (var c = 0; c < headSize; c++) keys.Floats[j / 8 * 8 * headSize + 8 * c + j % 8] = values.Floats[j * stride + c] = float.NaN;
        var scale = 1f / MathF.Sqrt(headSize);
        Attention.Head(query.Floats, keys.Floats, values.Floats, first, last, headSize, stride, scale, scores.Floats, output.Floats);

        var weights = new double[last + 1];
        double max = double.NegativeInfinity, sum = 0, drift = 0;
        for (var j = first; j <= last; j++)
        {
            double magnitude = 0;
            for (var c = 0; c < headSize; c++)
            {
                var product = (double)query.Floats[c] * keys.Floats[j / 8 * 8 * headSize + 8 * c + j % 8];
                weights[j] += product * scale;
                magnitude += Math.Abs(product) * scale;
            }
            // A score's error becomes its weight's relative one.
            drift = Math.Max(drift, (headSize + 2) * U * magnitude);
            max = Math.Max(max, weights[j]);
        }
        for (var j = first; j <= last; j++) sum += weights[j] = Math.Exp(weights[j] - max);
        for (var c = 0; c < headSize; c++)
        {
            double exact = 0, magnitude = 0;
            for (var j = first; j <= last; j++)
            {
                exact += weights[j] / sum * values.Floats[j * stride + c];
                magnitude += weights[j] / sum * Math.Abs(values.Floats[j * stride + c]);
            }
            var bound = (2 * (2e-7 + 2 * drift) + (2 * (last + 1) + 8) * U) * magnitude;
            Assert.InRange(output.Floats[c] - exact, -bound, bound);
        }
    }

    private static AlignedBuffer Random(int count, int seed)
    {
        var random = new Random(seed);
        var buffer = AlignedBuffer.OfFloats(count);
        for (var i = 0; i < count; i++) buffer.Floats[i] = (float)(random.NextDouble() * 4 - 2);
        return buffer;
    }
}
