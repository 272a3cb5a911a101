using System.Buffers.Binary;
using System.IO.Hashing;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.AotTests;

/// <summary>Checksums of the scalar twin's products of fixed pseudo-random weights and inputs, recorded on x64: another processor must give the same bits.</summary>
internal static unsafe class TwinChecksums
{
    private const int Rows = 24, Columns = 512;

    public static (ElementType Type, ulong Checksum)[] Recorded { get; } =
    [
        (ElementType.F32, 0x8d6004913e4c5809),
        (ElementType.F16, 0xb17c27e93c35123b),
        (ElementType.BF16, 0xed5966d792d3ddb0),
        (ElementType.Q8_0, 0xab64ce10104f5d5d),
        (ElementType.Q4_0, 0xadd883bb6460038d),
        (ElementType.Q4_1, 0x4a3896fc1cb65d44),
        (ElementType.Q5_0, 0xf15704466e307a5d),
        (ElementType.Q5_1, 0x226c8d5f73386b2f),
        (ElementType.Q4_K, 0xc27008a9805d2820),
        (ElementType.Q5_K, 0x10e9461f77b5e7ea),
        (ElementType.Q6_K, 0x3fccdd69e41cbb41),
    ];

    /// <summary>XXH3-64 of the products' bits, little-endian.</summary>
    public static ulong Compute(ElementType type)
    {
        var random = new Random(20);
        using var weights = RandomWeights.Make(type, Rows, Columns, random);
        using var x = AlignedBuffer.OfFloats(Columns);
        for (int k = 0; k < Columns; k++)
            x.Floats[k] = (float)(random.NextDouble() * 4 - 2);
        using var quantised = new AlignedBuffer(QuantizedRow.Bytes(Columns));
        QuantizedRow.Quantize(x.Floats, quantised.Pointer, Columns);

        var products = stackalloc float[Rows];
        ScalarKernels.MultiplyVector(~(int)type, weights.Pointer, Columns, type.IsQuantized() ? quantised.Pointer : x.Pointer, products, 0, Rows);
        var bytes = new byte[Rows * sizeof(float)];
        for (int row = 0; row < Rows; row++)
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(row * sizeof(float)), products[row]);
        return XxHash3.HashToUInt64(bytes);
    }
}
