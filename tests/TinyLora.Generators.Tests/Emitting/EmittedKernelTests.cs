using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Generators.Tests.Emitting;

/// <summary>
/// Kernels that are made for one width equal the scalar twin to the last bit, at widths whose last blocks and columns fill no register, in memory that ends at
/// a guard page. AVX-VNNI's kernels run with a class in its place that computes its
/// two instructions product by product: few machines have them, and no emulator does.
/// </summary>
public sealed unsafe class EmittedKernelTests
{
    private const int Rows = 21, Count = 15;

    private const string VnniStandIn = """
        namespace Emitted;

        using System.Runtime.Intrinsics;

        internal static class AvxVnni
        {
            public static Vector256<int> MultiplyWideningAndAdd(Vector256<int> sum, Vector256<byte> a, Vector256<sbyte> b)
            {
                for (var i = 0; i < 8; i++)
                    for (var j = 4 * i; j < 4 * i + 4; j++) sum = sum.WithElement(i, unchecked(sum[i] + a[j] * b[j]));
                return sum;
            }

            public static Vector256<int> MultiplyWideningAndAdd(Vector256<int> sum, Vector256<short> a, Vector256<short> b)
            {
                for (var i = 0; i < 8; i++)
                    for (var j = 2 * i; j < 2 * i + 2; j++) sum = sum.WithElement(i, unchecked(sum[i] + a[j] * b[j]));
                return sum;
            }
        }
        """;

    [SkippableTheory]
    [InlineData("Vector128")]
    [InlineData("Avx2")]
    [InlineData("Avx2Vnni")]
    [InlineData("Avx512")]
    public void Equal_the_twin(string name)
    {
        Skip.If(name.StartsWith("Avx", StringComparison.Ordinal) && !InstructionSet.Avx2.IsSupported, "this machine has no AVX2");
        Skip.If(name == "Avx512" && !InstructionSet.Avx512.IsSupported, "this machine has no AVX-512");
        var sizes = Enum.GetValues<WeightFormat>()
            .SelectMany(format => (!format.IsQuantized() ? [5, 24, 27] : format.IsSuperBlock() ? [256, 768] : new[] { 32, 224, 352 }).Select(columns => (format, columns)))
            .ToArray();
        var kernels = new EmittedKernels(VectorSet.All.Single(set => set.Name == name), sizes, name == "Avx2Vnni" ? VnniStandIn : null);
        foreach (var (format, columns) in sizes) Compare(kernels, format, columns);
    }

    private static void Compare(EmittedKernels kernels, WeightFormat format, int columns)
    {
        var type = (ElementType)format;
        var random = new Random(columns);
        var quantized = format.IsQuantized();
        var stride = quantized ? QuantizedRow.Bytes(columns) : (columns + 7 & ~7) * sizeof(float);
        using var weights = RandomWeights.Make(type, Rows, columns, random, largestFirst: true);
        using var x = new GuardedMemory((long)stride * Count);
        using var floats = AlignedBuffer.OfFloats(columns);
        for (var t = 0; t < Count; t++)
        {
            for (var k = 0; k < columns; k++) floats.Floats[k] = t == 0 ? 2 : (float)(random.NextDouble() * 4 - 2);
            if (quantized) QuantizedRow.Quantize(floats.Floats, x.Pointer + t * stride, columns);
            else new Span<float>(floats.Floats, columns).CopyTo(new Span<float>(x.Pointer + t * stride, columns));
        }

        const int OutStride = Rows + 15 & ~15;
        using var expected = AlignedBuffer.OfFloats(Count * OutStride);
        using var actual = AlignedBuffer.OfFloats(Count * OutStride);
        using var scratch = new GuardedMemory(KernelScratch.Bytes(columns));
        for (var t = 0; t < Count; t++)
        {
            ScalarKernels.MultiplyVector(~(int)type, weights.Pointer, columns, x.Pointer + t * stride, expected.Floats + t * OutStride, 0, Rows);
            kernels.MultiplyVector(format, columns, weights.Pointer, x.Pointer + t * stride, actual.Floats + t * OutStride, Rows);
        }
        Equal("vector");
        new Span<float>(actual.Floats, Count * OutStride).Fill(float.NaN);
        kernels.MultiplyMatrix(format, columns, weights.Pointer, x.Pointer, stride, Count, actual.Floats, OutStride, Rows, scratch.Pointer);
        Equal("matrix");

        void Equal(string what)
        {
            for (var t = 0; t < Count; t++)
                Assert.True(new Span<int>(expected.Floats + t * OutStride, Rows).SequenceEqual(new Span<int>(actual.Floats + t * OutStride, Rows)), $"{format} {columns} {what}, input {t}");
        }
    }
}
