using System.Runtime.Intrinsics;

namespace TinyLora.Kernels;

/// <summary>
/// A row of activations as the integer formats multiply it: blocks of 32 signed bytes q with x ≈ d q, d = max |x| / 127 in float32, and the block's sums.
/// </summary>
/// <remarks>
/// Layout for C columns, B = C / 32 blocks, P = B rounded up to 8: q [C] signed bytes (rounded up to 64), d [P] float32, d · Σq [P] float32, Σq [P] int32,
/// Σq of each half block [2 P] int16. Blocks from B on are zero, so that kernels may load eight at a time.
/// A block whose largest magnitude is below 2^-100 becomes zero: no product of scales can then underflow.
/// </remarks>
public static unsafe class QuantizedRow
{
    private const float Tiny = 7.888609e-31f;

    /// <summary>Byte offset of d.</summary>
    public static int ScalesOffset(int columns) => (columns + 63) & ~63;
    /// <summary>Byte offset of d · Σq.</summary>
    public static int ScaledSumsOffset(int columns) => ScalesOffset(columns) + 4 * PaddedBlocks(columns);
    /// <summary>Byte offset of Σq.</summary>
    public static int SumsOffset(int columns) => ScalesOffset(columns) + 8 * PaddedBlocks(columns);
    /// <summary>Byte offset of the half blocks' sums.</summary>
    public static int HalfSumsOffset(int columns) => ScalesOffset(columns) + 12 * PaddedBlocks(columns);
    /// <summary>Bytes of a row, a multiple of 64.</summary>
    public static int Bytes(int columns) => (ScalesOffset(columns) + 16 * PaddedBlocks(columns) + 63) & ~63;

    private static int PaddedBlocks(int columns) => (columns / 32 + 7) & ~7;

    /// <summary>Quantises x [columns] to <paramref name="row"/>; columns is a multiple of 32.</summary>
    public static void Quantize(float* x, byte* row, int columns)
    {
        var scales = (float*)(row + ScalesOffset(columns));
        var scaledSums = (float*)(row + ScaledSumsOffset(columns));
        var sums = (int*)(row + SumsOffset(columns));
        var halfSums = (short*)(row + HalfSumsOffset(columns));
        var blocks = columns / 32;
        for (var b = 0; b < blocks; b++, x += 32, row += 32)
        {
            var x0 = Vector256.Load(x);
            var x1 = Vector256.Load(x + 8);
            var x2 = Vector256.Load(x + 16);
            var x3 = Vector256.Load(x + 24);
            var largest = Vector256.Max(
                Vector256.Max(Vector256.Abs(x0), Vector256.Abs(x1)), Vector256.Max(Vector256.Abs(x2), Vector256.Abs(x3)));
            var four = Vector128.Max(largest.GetLower(), largest.GetUpper());
            four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
            var max = MathF.Max(four[0], four[1]);
            if (!(max >= Tiny)) max = 0;
            var inverse = Vector256.Create(max == 0 ? 0 : 127f / max);
            // Adding 1.5 · 2^23 rounds to nearest even in the low bits; |x · inverse| is at most 127.
            var magic = Vector256.Create(12582912f);
            var q0 = (x0 * inverse + magic).AsInt32() - magic.AsInt32();
            var q1 = (x1 * inverse + magic).AsInt32() - magic.AsInt32();
            var q2 = (x2 * inverse + magic).AsInt32() - magic.AsInt32();
            var q3 = (x3 * inverse + magic).AsInt32() - magic.AsInt32();
            var low = Vector256.Narrow(q0, q1);
            var high = Vector256.Narrow(q2, q3);
            Vector256.Store(Vector256.Narrow(low, high), (sbyte*)row);
            var half0 = Vector256.Sum(q0 + q1);
            var half1 = Vector256.Sum(q2 + q3);
            var d = max / 127f;
            scales[b] = d;
            scaledSums[b] = d * (half0 + half1);
            sums[b] = half0 + half1;
            halfSums[2 * b] = (short)half0;
            halfSums[2 * b + 1] = (short)half1;
        }
        for (var b = blocks; b < PaddedBlocks(columns); b++)
        {
            scales[b] = scaledSums[b] = sums[b] = 0;
            halfSums[2 * b] = halfSums[2 * b + 1] = 0;
        }
    }
}
