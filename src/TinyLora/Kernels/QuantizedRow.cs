using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TinyLora.Kernels;

/// <summary>
/// A row of activations as the integer formats multiply it: blocks of 32 signed bytes q with x ≈ d m q, a float32 scale d a block and a small integer scale m,
/// 1 to 127, for each eight. The integer sum Σ w m q of a block is exact, and the rounding error follows the largest of eight numbers instead of that of all 32.
/// </summary>
/// <remarks>
/// Layout for C columns, B = C / 32 blocks, P = B rounded up to 8: q [C] signed bytes (rounded up to 64); m [16 P] int16, each of a block's four scales four times;
/// d [P] float32; d Σ m q [P] float32; Σ m q [P] int32; Σ m q of each half block [2 P] int32. Blocks from B on are zero, so that kernels may load eight at a time.
/// A block whose largest magnitude is below 2^-100 becomes zero: no product of scales can then underflow.
/// </remarks>
public static unsafe class QuantizedRow
{
    private const float Tiny = 7.888609e-31f;
    // Adding 1.5 · 2^23 rounds to nearest even in the low bits.
    private const float Magic = 12582912f;

    /// <summary>Byte offset of m.</summary>
    public static int MultipliersOffset(int columns) => (columns + 63) & ~63;
    /// <summary>Byte offset of d.</summary>
    public static int ScalesOffset(int columns) => MultipliersOffset(columns) + 32 * PaddedBlocks(columns);
    /// <summary>Byte offset of d Σ m q.</summary>
    public static int ScaledSumsOffset(int columns) => ScalesOffset(columns) + 4 * PaddedBlocks(columns);
    /// <summary>Byte offset of Σ m q.</summary>
    public static int SumsOffset(int columns) => ScalesOffset(columns) + 8 * PaddedBlocks(columns);
    /// <summary>Byte offset of the half blocks' sums.</summary>
    public static int HalfSumsOffset(int columns) => ScalesOffset(columns) + 12 * PaddedBlocks(columns);
    /// <summary>Bytes of a row, a multiple of 64.</summary>
    public static int Bytes(int columns) => (ScalesOffset(columns) + 20 * PaddedBlocks(columns) + 63) & ~63;

    private static int PaddedBlocks(int columns) => (columns / 32 + 7) & ~7;

    /// <summary>Quantises x [columns] to <paramref name="row"/>; columns is a multiple of 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Quantize(float* x, byte* row, int columns)
    {
        if (LinkedKernels.HasAvx2)
        {
            LinkedKernels.Quantize(x, row, columns);
            return;
        }
        var multipliers = (ulong*)(row + MultipliersOffset(columns));
        var scales = (float*)(row + ScalesOffset(columns));
        var scaledSums = (float*)(row + ScaledSumsOffset(columns));
        var sums = (int*)(row + SumsOffset(columns));
        var halfSums = (int*)(row + HalfSumsOffset(columns));
        var blocks = columns / 32;
        for (var b = 0; b < blocks; b++, x += 32, row += 32, multipliers += 4)
        {
            var x0 = Vector256.Load(x);
            var x1 = Vector256.Load(x + 8);
            var x2 = Vector256.Load(x + 16);
            var x3 = Vector256.Load(x + 24);
            // Largest magnitudes, one eight a lane.
            var largest = Largest(x0, x1, x2, x3);
            var two = Vector128.Max(largest, Vector128.Shuffle(largest, Vector128.Create(2, 3, 0, 1)));
            var max = MathF.Max(two[0], two[1]);
            if (!(max >= Tiny)) max = 0;
            var m = max == 0 ? Vector128<int>.One : Vector128.ConvertToInt32(Vector128.Ceiling(largest * Vector128.Create(127f / max)));
            m = Vector128.Min(Vector128.Max(m, Vector128<int>.One), Vector128.Create(127));
            var inverse = Vector128.Create(max == 0 ? 0 : 16129f / max) / Vector128.ConvertToSingle(m);

            var q0 = Round(x0 * Vector256.Create(inverse[0]));
            var q1 = Round(x1 * Vector256.Create(inverse[1]));
            var q2 = Round(x2 * Vector256.Create(inverse[2]));
            var q3 = Round(x3 * Vector256.Create(inverse[3]));
            Vector256.Store(Vector256.Narrow(Vector256.Narrow(q0, q1), Vector256.Narrow(q2, q3)), (sbyte*)row);
            q0 *= m[0];
            q1 *= m[1];
            q2 *= m[2];
            q3 *= m[3];
            var half0 = Vector256.Sum(q0 + q1);
            var half1 = Vector256.Sum(q2 + q3);
            var d = max == 0 ? 0 : Scale(x0, x1, x2, x3, Vector256.ConvertToSingle(q0), Vector256.ConvertToSingle(q1), Vector256.ConvertToSingle(q2), Vector256.ConvertToSingle(q3));
            for (var g = 0; g < 4; g++) multipliers[g] = (ulong)m[g] * 0x0001000100010001UL;
            scales[b] = d;
            scaledSums[b] = d * (half0 + half1);
            sums[b] = half0 + half1;
            halfSums[2 * b] = half0;
            halfSums[2 * b + 1] = half1;
        }
        for (var b = blocks; b < PaddedBlocks(columns); b++, multipliers += 4)
        {
            multipliers[0] = multipliers[1] = multipliers[2] = multipliers[3] = 0;
            scales[b] = scaledSums[b] = 0;
            sums[b] = halfSums[2 * b] = halfSums[2 * b + 1] = 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Round(Vector256<float> x) => (x + Vector256.Create(Magic)).AsInt32() - Vector256.Create(Magic).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Largest(Vector256<float> x0, Vector256<float> x1, Vector256<float> x2, Vector256<float> x3)
    {
        var (a, b, c, d) = (Four(x0), Four(x1), Four(x2), Four(x3));
        // Four by four: the columns of a, b, c, d become rows.
        var ac = Vector128.Max(Vector128.Create(a.GetLower(), c.GetLower()), Vector128.Create(a.GetUpper(), c.GetUpper()));
        var bd = Vector128.Max(Vector128.Create(b.GetLower(), d.GetLower()), Vector128.Create(b.GetUpper(), d.GetUpper()));
        return Vector128.Create(MathF.Max(ac[0], ac[1]), MathF.Max(bd[0], bd[1]), MathF.Max(ac[2], ac[3]), MathF.Max(bd[2], bd[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Four(Vector256<float> x)
    {
        var magnitude = Vector256.Abs(x);
        return Vector128.Max(magnitude.GetLower(), magnitude.GetUpper());
    }

    // The d that brings d m q closest to x: Σ x m q / Σ (m q)².
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Scale(Vector256<float> x0, Vector256<float> x1, Vector256<float> x2, Vector256<float> x3,
        Vector256<float> q0, Vector256<float> q1, Vector256<float> q2, Vector256<float> q3) =>
        Lanes.Sum(x0 * q0 + x1 * q1 + (x2 * q2 + x3 * q3)) / Lanes.Sum(q0 * q0 + q1 * q1 + (q2 * q2 + q3 * q3));
}
