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
/// A block whose largest magnitude is below 2^-100 becomes zero: no product of scales can then underflow. One that holds what is not finite has d = NaN, and so have all products with it.
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
        var multipliers = (long*)(row + MultipliersOffset(columns));
        var scales = (float*)(row + ScalesOffset(columns));
        var scaledSums = (float*)(row + ScaledSumsOffset(columns));
        var sums = (int*)(row + SumsOffset(columns));
        var halfSums = (int*)(row + HalfSumsOffset(columns));
        var blocks = columns / 32;
        for (var b = 0; b < blocks; b++, x += 32, multipliers += 4)
        {
            var largest = Largest(x);
            var two = Vector128.Max(largest, Vector128.Shuffle(largest, Vector128.Create(2, 3, 0, 1)));
            var max = Vector128.Max(two, Vector128.Shuffle(two, Vector128.Create(1, 0, 3, 2))).AsSingle();
            var isZero = Vector128.LessThan(max, Vector128.Create(Tiny));
            var m = Vector128.ConvertToInt32Native(Vector128.Ceiling(largest.AsSingle() * (Vector128.Create(127f) / max)));
            m = Vector128.Min(Vector128.Max(Vector128.AndNot(m, isZero.AsInt32()), Vector128<int>.One), Vector128.Create(127));
            var multiplier = Vector128.ConvertToSingle(m);
            var inverse = Vector128.AndNot(Vector128.Create(16129f) / max / multiplier, isZero);

            var eight0 = Eight.Round(x, inverse.ToScalar(), multiplier.ToScalar());
            var eight1 = Eight.Round(x + 8, inverse.GetElement(1), multiplier.GetElement(1));
            var eight2 = Eight.Round(x + 16, inverse.GetElement(2), multiplier.GetElement(2));
            var eight3 = Eight.Round(x + 24, inverse.GetElement(3), multiplier.GetElement(3));
            Vector128.Store(Vector128.NarrowWithSaturation(eight0.Integers, eight1.Integers), (sbyte*)row + b * 32);
            Vector128.Store(Vector128.NarrowWithSaturation(eight2.Integers, eight3.Integers), (sbyte*)row + b * 32 + 16);

            // Four sums side by side, each by the tree of Lanes.Sum.
            var products = eight0.LowerProducts + eight1.LowerProducts + (eight2.LowerProducts + eight3.LowerProducts) + (eight0.UpperProducts + eight1.UpperProducts + (eight2.UpperProducts + eight3.UpperProducts));
            var squares = eight0.LowerSquares + eight1.LowerSquares + (eight2.LowerSquares + eight3.LowerSquares) + (eight0.UpperSquares + eight1.UpperSquares + (eight2.UpperSquares + eight3.UpperSquares));
            var fits = Lanes.LowerPairs(products, squares) + Lanes.UpperPairs(products, squares);
            var (lower, upper) = (eight0.Lower + eight1.Lower + (eight0.Upper + eight1.Upper), eight2.Lower + eight3.Lower + (eight2.Upper + eight3.Upper));
            var halves = Lanes.LowerPairs(lower, upper) + Lanes.UpperPairs(lower, upper);
            var totals = Lanes.Even(fits, halves) + Lanes.Odd(fits, halves);
            // The d that brings d m q closest to x: Σ x m q / Σ (m q)².
            var d = Vector128.AndNot(totals / Vector128.Shuffle(totals, Vector128.Create(1, 0, 3, 2)), isZero).ToScalar();
            var integers = Vector128.AndNot(Vector128.ConvertToInt32Native(totals), isZero.AsInt32());
            var (half0, half1) = (integers.GetElement(2), integers.GetElement(3));
            m *= 0x00010001;
            Vector128.Store(Vector128.Shuffle(m, Vector128.Create(0, 0, 1, 1)), (int*)multipliers);
            Vector128.Store(Vector128.Shuffle(m, Vector128.Create(2, 2, 3, 3)), (int*)multipliers + 4);
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

    // The largest magnitude of each eight. As integers magnitudes have the same order, and NaN is the largest.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Largest(float* x)
    {
        return Pairs(Pairs(Four(x), Four(x + 8)), Pairs(Four(x + 16), Four(x + 24)));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector128<int> Four(float* x) => Vector128.Max(Vector128.Abs(Vector128.Load(x)).AsInt32(), Vector128.Abs(Vector128.Load(x + 4)).AsInt32());

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector128<int> Pairs(Vector128<int> a, Vector128<int> b) =>
            Vector128.Max(Lanes.Even(a.AsSingle(), b.AsSingle()).AsInt32(), Lanes.Odd(a.AsSingle(), b.AsSingle()).AsInt32());
    }

    // Eight numbers as m q, with what the block's sums take of them.
    private readonly ref struct Eight
    {
        public Vector128<short> Integers { get; private init; }
        public Vector128<float> Lower { get; private init; }
        public Vector128<float> Upper { get; private init; }
        public Vector128<float> LowerProducts { get; private init; }
        public Vector128<float> UpperProducts { get; private init; }
        public Vector128<float> LowerSquares => Lower * Lower;
        public Vector128<float> UpperSquares => Upper * Upper;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Eight Round(float* x, float inverse, float multiplier)
        {
            var magic = Vector128.Create(Magic);
            var (x0, x1) = (Vector128.Load(x), Vector128.Load(x + 4));
            // The integer in the low bits.
            var (q0, q1) = (x0 * Vector128.Create(inverse) + magic, x1 * Vector128.Create(inverse) + magic);
            var (p0, p1) = ((q0 - magic) * Vector128.Create(multiplier), (q1 - magic) * Vector128.Create(multiplier));
            return new Eight
            {
                Integers = Vector128.NarrowWithSaturation(q0.AsInt32() - magic.AsInt32(), q1.AsInt32() - magic.AsInt32()),
                Lower = p0,
                Upper = p1,
                LowerProducts = x0 * p0,
                UpperProducts = x1 * p1,
            };
        }
    }
}
