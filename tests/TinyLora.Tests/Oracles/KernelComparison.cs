using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Tests.Oracles;

/// <summary>Compares the kernels whose sizes are parameters with the scalar twin, bit for bit, in memory that ends at a guard page.</summary>
internal static unsafe class KernelComparison
{
    /// <summary>Goes through odd and even sizes of a format; null if all bits are equal, else where they first differ.</summary>
    public static string? FirstDifference(InstructionSet set, ElementType type)
    {
        var block = Math.Max(type.BlockSize(), type.IsQuantized() ? 32 : 1);
        int[] widths = type.IsQuantized() ? [1, 2, 3, 7, 8, 9, 18] : [1, 5, 8, 16, 27, 64];
        foreach (var width in widths)
            foreach (var rows in new[] { 1, 7, 8, 9, 16, 21, 24 })
                if (FirstDifference(set, type, rows, width * block) is { } difference)
                    return difference;
        if (type.IsQuantized()) return null;
        foreach (var rank in new[] { 1, 4, 16, 21 })
            foreach (var rows in new[] { 8, 24, 72, 104 })
                if (FirstLoraUpDifference(set, type, rows, rank) is { } difference)
                    return difference;
        return null;
    }

    private static string? FirstLoraUpDifference(InstructionSet set, ElementType type, int rows, int rank)
    {
        var random = new Random(rows * 100 + rank);
        const int Count = 7;
        using var b = RandomWeights.Make(type, rows, rank, random);
        using var d = new GuardedMemory((long)Count * rank * sizeof(float));
        using var expected = AlignedBuffer.OfFloats(Count * rows);
        using var actual = AlignedBuffer.OfFloats(Count * rows);
        for (var i = 0; i < Count * rank; i++) ((float*)d.Pointer)[i] = (float)(random.NextDouble() * 4 - 2);
        foreach (var count in new[] { 1, 2, Count })
        {
            for (var i = 0; i < Count * rows; i++) expected.Floats[i] = actual.Floats[i] = (float)(random.NextDouble() - 0.5);
            ScalarKernels.LoraUp((int)type, b.Pointer, rank, (float*)d.Pointer, rank, count, expected.Floats, rows, 0, rows);
            // Two ranges, as two threads would take them.
            KernelTable.LoraUp(set, type, b.Pointer, rank, (float*)d.Pointer, rank, count, actual.Floats, rows, rows / 16 * 8, rows);
            KernelTable.LoraUp(set, type, b.Pointer, rank, (float*)d.Pointer, rank, count, actual.Floats, rows, 0, rows / 16 * 8);
            if (FirstDifference(expected, actual, rows, rows, count, $"{set} {type} {rows} rows of B at rank {rank}, {count} inputs") is { } difference)
                return difference;
        }
        return null;
    }

    private static string? FirstDifference(InstructionSet set, ElementType type, int rows, int columns)
    {
        var random = new Random(rows * 1000 + columns);
        // Every width of tile; and once more inputs than a kernel packs together, at a width for which the scratch is no larger than it must be.
        var most = rows == 9 && columns == 256 ? 143 : 15;
        using var weights = RandomWeights.Make(type, rows, columns, random, largestFirst: true);
        using var inputs = Inputs(type, columns, most, random, out var stride);
        var outStride = (rows + 15) & ~15;
        using var expected = AlignedBuffer.OfFloats(most * outStride);
        using var actual = AlignedBuffer.OfFloats(most * outStride);
        using var scratch = new GuardedMemory(KernelScratch.Bytes(columns));
        var kernel = ~(int)type;
        for (var t = 0; t < most; t++) ScalarKernels.MultiplyVector(kernel, weights.Pointer, columns, inputs.Pointer + t * stride, expected.Floats + t * outStride, 0, rows);

        for (var t = 0; t < most; t++) KernelTable.MultiplyVector(set, kernel, weights.Pointer, columns, inputs.Pointer + t * stride, actual.Floats + t * outStride, 0, rows);
        if (FirstDifference(expected, actual, rows, outStride, most, $"{set} {type} {rows}x{columns} vector") is { } inVector)
            return inVector;
        foreach (var count in new[] { 1, 2, 5, most })
        {
            new Span<float>(actual.Floats, most * outStride).Fill(float.NaN);
            // Two ranges, as two threads would take them.
            var middle = rows / 2 / 8 * 8;
            KernelTable.MultiplyMatrix(set, kernel, weights.Pointer, columns, inputs.Pointer, stride, count, actual.Floats, outStride, middle, rows, scratch.Pointer);
            KernelTable.MultiplyMatrix(set, kernel, weights.Pointer, columns, inputs.Pointer, stride, count, actual.Floats, outStride, 0, middle, scratch.Pointer);
            if (FirstDifference(expected, actual, rows, outStride, count, $"{set} {type} {rows}x{columns} matrix of {count}") is { } inMatrix)
                return inMatrix;
        }
        return null;
    }

    private static GuardedMemory Inputs(ElementType type, int columns, int count, Random random, out int stride)
    {
        stride = type.IsQuantized() ? QuantizedRow.Bytes(columns) : ((columns + 7) & ~7) * sizeof(float);
        var memory = new GuardedMemory((long)stride * count);
        memory.Span.Clear();
        using var floats = AlignedBuffer.OfFloats(columns);
        for (var t = 0; t < count; t++)
        {
            // The first input's integers are the largest that there are.
            for (var k = 0; k < columns; k++) floats.Floats[k] = t == 0 ? 2 : (float)(random.NextDouble() * 4 - 2);
            if (type.IsQuantized()) QuantizedRow.Quantize(floats.Floats, memory.Pointer + t * stride, columns);
            else new Span<float>(floats.Floats, columns).CopyTo(new Span<float>(memory.Pointer + t * stride, columns));
        }
        return memory;
    }

    private static string? FirstDifference(AlignedBuffer expected, AlignedBuffer actual, int rows, int stride, int count, string what)
    {
        for (var t = 0; t < count; t++)
            for (var r = 0; r < rows; r++)
                if (BitConverter.SingleToInt32Bits(expected.Floats[t * stride + r]) != BitConverter.SingleToInt32Bits(actual.Floats[t * stride + r]))
                    return $"{what}: row {r} of input {t}: twin {expected.Floats[t * stride + r]:R}, kernel {actual.Floats[t * stride + r]:R}";
        return null;
    }
}
