using TinyLora.Numerics;

namespace TinyLora.Kernels;

/// <summary>
/// The twin: every product in plain C#, in the order that all kernels keep. Sums run in eight lanes, lane (k mod 8) for float weights and lane
/// (block mod 8) for integer blocks, one fused multiply-add each, and end in one tree: ((0+4)+(2+6)) + ((1+5)+(3+7)).
/// </summary>
public readonly unsafe struct ScalarKernels : IModelKernels
{
    /// <inheritdoc/>
    public static void MultiplyVector(int kernel, byte* weights, int columns, byte* x, float* y, int firstRow, int endRow)
    {
        var type = (ElementType)~kernel;
        var rowBytes = (nint)type.ByteCount(columns);
        for (var r = firstRow; r < endRow; r++)
        {
            var row = weights + r * rowBytes;
            y[r] = type.IsQuantized() ? QuantizedDot(type, row, x, columns) : FloatDot(type, row, (float*)x, columns);
        }
    }

    /// <inheritdoc/>
    public static void MultiplyMatrix(int kernel, byte* weights, int columns, byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
    {
        for (var t = 0; t < count; t++) MultiplyVector(kernel, weights, columns, x + t * xStride, y + t * yStride, firstRow, endRow);
    }

    /// <inheritdoc/>
    public static void LoraUp(int type, byte* b, int rank, float* d, nint dStride, int count, float* y, nint yStride, int firstRow, int endRow)
    {
        for (var t = 0; t < count; t++, d += dStride, y += yStride)
            for (var r = firstRow; r < endRow; r++)
                for (var j = 0; j < rank; j++)
                    y[r] = MathF.FusedMultiplyAdd(Load((ElementType)type, b, ((nint)(r / 8) * rank + j) * 8 + r % 8), d[j], y[r]);
    }

    private static float QuantizedDot(ElementType type, byte* row, byte* x, int columns)
    {
        var multipliers = (short*)(x + QuantizedRow.MultipliersOffset(columns));
        var scales = (float*)(x + QuantizedRow.ScalesOffset(columns));
        var scaledSums = (float*)(x + QuantizedRow.ScaledSumsOffset(columns));
        var hasMinimum = type is ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q4_K or ElementType.Q5_K;
        var lanes = stackalloc float[8];
        var block = default(BlockReader);
        for (var b = 0; b < columns / 32; b++)
        {
            block.Read(type, row, b);
            var sum = 0;
            for (var i = 0; i < 32; i++) sum += block.Values[i] * (sbyte)x[32 * b + i] * multipliers[16 * b + 4 * (i / 8)];
            lanes[b & 7] = MathF.FusedMultiplyAdd(sum, block.Scale * scales[b], lanes[b & 7]);
            if (hasMinimum) lanes[b & 7] = MathF.FusedMultiplyAdd(block.Minimum, scaledSums[b], lanes[b & 7]);
        }
        return Tree(lanes);
    }

    private static float FloatDot(ElementType type, byte* row, float* x, int columns)
    {
        var lanes = stackalloc float[8];
        for (var k = 0; k < columns; k++) lanes[k & 7] = MathF.FusedMultiplyAdd(Load(type, row, k), x[k], lanes[k & 7]);
        return Tree(lanes);
    }

    private static float Tree(float* l) => (l[0] + l[4] + (l[2] + l[6])) + (l[1] + l[5] + (l[3] + l[7]));

    private static float Load(ElementType type, byte* p, nint index) => type switch
    {
        ElementType.F32 => ((float*)p)[index],
        ElementType.F16 => BlockReader.Half(p + 2 * index),
        _ => BitConverter.Int32BitsToSingle(((ushort*)p)[index] << 16),
    };
}
