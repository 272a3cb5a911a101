using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Tests.Kernels;

/// <summary>
/// The scalar twin against sums in double over weights decoded by <see cref="Conversions"/>. A result that went through n roundings of float32 lies within
/// gamma(n) Σ|w||x| of the exact one, gamma(n) = n u / (1 - n u), u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1). A float product passes one fused
/// multiply-add for each eighth column and three additions; a block passes as many for each eighth block, twice where it has a minimum, and the rounding of its scale's product, its sum and minimum.
/// </summary>
public unsafe class TwinBoundTests
{
    public static TheoryData<ElementType> Types() => [.. Enum.GetValues<ElementType>()];

    [Theory]
    [MemberData(nameof(Types))]
    public void The_twin_is_within_its_bound(ElementType type)
    {
        var quantized = type.IsQuantized();
        int[] widths = type.BlockSize() == 256 ? [256, 768, 2304] : quantized ? [32, 96, 576, 1056] : [1, 5, 8, 27, 576, 1001];
        foreach (var columns in widths) Check(type, 11, columns);
    }

    private static void Check(ElementType type, int rows, int columns)
    {
        var random = new Random(columns);
        using var weights = RandomWeights.Make(type, rows, columns, random);
        using var x = AlignedBuffer.OfFloats(columns);
        for (var k = 0; k < columns; k++) x.Floats[k] = (float)(random.NextDouble() * 4 - 2);
        using var row = new AlignedBuffer(QuantizedRow.Bytes((columns + 31) & ~31));
        if (type.IsQuantized()) QuantizedRow.Quantize(x.Floats, row.Pointer, columns);
        using var y = AlignedBuffer.OfFloats(16);
        ScalarKernels.MultiplyVector(~(int)type, weights.Pointer, columns, type.IsQuantized() ? row.Pointer : x.Pointer, y.Floats, 0, rows);

        var decoded = new float[columns];
        var roundings = type.IsQuantized() ? 2 * ((columns / 32 + 7) / 8) + 3 + 4 : (columns + 7) / 8 + 3;
        var gamma = roundings * Math.Pow(2, -24) / (1 - roundings * Math.Pow(2, -24));
        for (var r = 0; r < rows; r++)
        {
            fixed (float* values = decoded) Conversions.Decode(type, weights.Pointer + r * type.ByteCount(columns), values, columns);
            double exact = 0, magnitude = 0;
            for (var k = 0; k < columns; k++)
            {
                var input = type.IsQuantized() ? Input(row.Pointer, columns, k) : x.Floats[k];
                exact += decoded[k] * input;
                magnitude += Magnitude(type, weights.Pointer + r * type.ByteCount(columns), k, decoded[k]) * Math.Abs(input);
            }
            Assert.True(Math.Abs(y.Floats[r] - exact) <= gamma * magnitude, $"{type} {columns}, row {r}: {y.Floats[r]:R}, exactly {exact:R}, bound {gamma * magnitude:g3}");
        }
    }

    // |d q| + |minimum|: where a minimum cancels the rest, the sums before it were larger than the weight.
    private static double Magnitude(ElementType type, byte* row, int column, float decoded)
    {
        if (!type.IsQuantized()) return Math.Abs(decoded);
        var block = default(BlockReader);
        block.Read(type, row, column / 32);
        return Math.Abs((double)block.Scale * block.Values[column % 32]) + Math.Abs(block.Minimum);
    }

    private static double Input(byte* row, int columns, int k) =>
        (double)((float*)(row + QuantizedRow.ScalesOffset(columns)))[k / 32] * ((short*)(row + QuantizedRow.MultipliersOffset(columns)))[16 * (k / 32) + 4 * (k % 32 / 8)] * ((sbyte*)row)[k];
}
