namespace TinyLora.Numerics;

/// <summary>
/// Rounds 256 float32 numbers to a block of a K type so that the sum of squared errors is small. Each sub-block is fitted on its own (<see cref="BlockFit"/>); then the
/// sub-blocks' steps become small integers times one half, each tried with its neighbours, and least squares over the whole block mends the halves.
/// </summary>
internal static unsafe class SuperBlockEncoder
{
    private const int Rounds = 3;

    /// <param name="type">A K type.</param>
    /// <param name="values">[256]</param>
    /// <param name="block">[<c>type.BlockBytes()</c>]</param>
    public static void Encode(ElementType type, float* values, byte* block)
    {
        switch (type)
        {
            case ElementType.Q4_K: EncodeRanges(values, block, 15); break;
            case ElementType.Q5_K: EncodeRanges(values, block, 31); break;
            case ElementType.Q6_K: EncodeSymmetric(values, block); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "This is no K type.");
        }
    }

    /// <summary>Eight sub-blocks of 32 with a scale and a minimum of six bits each, times two halves.</summary>
    private static void EncodeRanges(float* values, byte* block, int top)
    {
        const int count = 8, size = 32, most = 63;
        Span<float> steps = stackalloc float[count], lows = stackalloc float[count];
        Span<int> scales = stackalloc int[count], minima = stackalloc int[count];
        float largestStep = 0, lowest = 0;
        for (var j = 0; j < count; j++)
        {
            (steps[j], lows[j]) = BlockFit.Range(values + size * j, size, top, most: 0);
            (largestStep, lowest) = (Math.Max(largestStep, steps[j]), Math.Min(lowest, lows[j]));
        }
        var (d, m) = (ToHalf(largestStep / most), ToHalf(-lowest / most));
        for (var j = 0; j < count; j++) (scales[j], minima[j]) = (Whole(steps[j], d, 0, most), Whole(-lows[j], m, 0, most));
        for (var round = 0; round < Rounds; round++)
        {
            double error = 0, uu = 0, uv = 0, vv = 0, xu = 0, xv = 0;
            for (var j = 0; j < count; j++)
            {
                var best = new BlockFit { Error = float.PositiveInfinity };
                var (scale, minimum) = (scales[j], minima[j]);
                for (var s = Math.Max(scale - 1, 0); s <= Math.Min(scale + 1, most); s++)
                    for (var n = Math.Max(minimum - 1, 0); n <= Math.Min(minimum + 1, most); n++)
                    {
                        var fit = BlockFit.Nearest(values + size * j, size, d * s, -m * n, 0, top);
                        if (!(fit.Error < best.Error)) continue;
                        best = fit;
                        (scales[j], minima[j]) = (s, n);
                    }
                // x ≈ d u - m v with u = s q, v = n.
                error += best.Error;
                uu += (double)scales[j] * scales[j] * best.QQ;
                uv += (double)scales[j] * minima[j] * best.Q;
                vv += (double)minima[j] * minima[j] * size;
                xu += (double)scales[j] * best.XQ;
                xv += (double)minima[j] * best.X;
            }
            var determinant = uu * vv - uv * uv;
            var (newD, newM) = (d, m);
            if (determinant > 1e-9 * uu * vv) (newD, newM) = ((float)((xu * vv - xv * uv) / determinant), (float)((xu * uv - xv * uu) / determinant));
            else if (uu > 0) newD = (float)(xu / uu);
            (newD, newM) = (ToHalf(Math.Max(newD, 0)), ToHalf(Math.Max(newM, 0)));
            var newError = 0.0;
            for (var j = 0; j < count; j++) newError += BlockFit.Nearest(values + size * j, size, newD * scales[j], -newM * minima[j], 0, top).Error;
            if (newError < error) (d, m) = (newD, newM);
        }
        Half(block, d);
        Half(block + 2, m);
        PackScales(block + 4, scales, minima);
        var low = block + (top == 15 ? 16 : 48);
        new Span<byte>(block + 16, top == 15 ? 128 : 160).Clear();
        Span<int> codes = stackalloc int[size];
        for (var j = 0; j < count; j++)
        {
            BlockFit.Codes(values + size * j, d * scales[j], -m * minima[j], 0, top, codes);
            for (var k = 0; k < size; k++)
            {
                low[j / 2 * size + k] |= (byte)((codes[k] & 15) << j % 2 * 4);
                if (top > 15) block[16 + k] |= (byte)(codes[k] >> 4 << j);
            }
        }
    }

    /// <summary>Sixteen sub-blocks of 16 with a scale of eight bits each, times one half.</summary>
    private static void EncodeSymmetric(float* values, byte* block)
    {
        const int count = 16, size = 16, least = -32, most = 31;
        Span<float> steps = stackalloc float[count];
        Span<int> scales = stackalloc int[count];
        var largest = 0f;
        for (var j = 0; j < count; j++)
        {
            steps[j] = BlockFit.Step(values + size * j, size, least, most);
            if (Math.Abs(steps[j]) > Math.Abs(largest)) largest = steps[j];
        }
        var d = ToHalf(largest / sbyte.MinValue);
        for (var j = 0; j < count; j++) scales[j] = Whole(steps[j], d, sbyte.MinValue, sbyte.MaxValue);
        for (var round = 0; round < Rounds; round++)
        {
            double error = 0, uu = 0, xu = 0;
            for (var j = 0; j < count; j++)
            {
                var best = new BlockFit { Error = float.PositiveInfinity };
                var scale = scales[j];
                for (var s = Math.Max(scale - 1, sbyte.MinValue); s <= Math.Min(scale + 1, sbyte.MaxValue); s++)
                {
                    var fit = BlockFit.Nearest(values + size * j, size, d * s, 0, least, most);
                    if (!(fit.Error < best.Error)) continue;
                    best = fit;
                    scales[j] = s;
                }
                error += best.Error;
                uu += (double)scales[j] * scales[j] * best.QQ;
                xu += (double)scales[j] * best.XQ;
            }
            var newD = uu > 0 ? ToHalf((float)(xu / uu)) : d;
            var newError = 0.0;
            for (var j = 0; j < count; j++) newError += BlockFit.Nearest(values + size * j, size, newD * scales[j], 0, least, most).Error;
            if (newError < error) d = newD;
        }
        new Span<byte>(block, Q6_K.Bytes).Clear();
        Half(block + 208, d);
        Span<int> codes = stackalloc int[size];
        for (var j = 0; j < count; j++)
        {
            block[192 + j] = (byte)(sbyte)scales[j];
            BlockFit.Codes(values + size * j, d * scales[j], 0, least, most, codes);
            var (half, r, first) = (j / 8, j / 2 % 4, j % 2 * size);
            for (var k = 0; k < size; k++)
            {
                var code = codes[k] - least;
                block[64 * half + 32 * (r % 2) + first + k] |= (byte)((code & 15) << r / 2 * 4);
                block[128 + 32 * half + first + k] |= (byte)(code >> 4 << 2 * r);
            }
        }
    }

    private static void PackScales(byte* to, ReadOnlySpan<int> scales, ReadOnlySpan<int> minima)
    {
        for (var j = 0; j < 4; j++)
        {
            to[j] = (byte)(scales[j] | scales[4 + j] >> 4 << 6);
            to[4 + j] = (byte)(minima[j] | minima[4 + j] >> 4 << 6);
            to[8 + j] = (byte)(scales[4 + j] & 15 | (minima[4 + j] & 15) << 4);
        }
    }

    private static int Whole(float value, float unit, int least, int most) => unit == 0 ? 0 : (int)Math.Min(Math.Max(MathF.Round(value / unit), least), most);

    private static float ToHalf(float value) => Conversions.HalfToSingle(Conversions.SingleToHalf(value));

    private static void Half(byte* to, float value)
    {
        var half = Conversions.SingleToHalf(value);
        (to[0], to[1]) = ((byte)half, (byte)(half >> 8));
    }
}
