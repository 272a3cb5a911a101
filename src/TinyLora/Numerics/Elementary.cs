namespace TinyLora.Numerics;

/// <summary>
/// Elementary functions whose bits are the same on every machine: only additions, multiplications and fused multiply-adds, which IEEE 754
/// rounds in one way, where a C library's differ from one another.
/// </summary>
internal static class Elementary
{
    private const float Log2E = 1.44269504f;
    // ln 2 in two parts; the first has 15 trailing zero bits, so that n · Ln2High is exact for |n| < 2^8.
    private const float Ln2High = 0.693145752f;
    private const float Ln2Low = 1.42860677e-6f;

    /// <summary>
    /// e^x: x = n ln 2 + r with n whole and |r| ≤ ln 2 / 2, e^r by a polynomial of degree 7, then 2^n by the exponent's bits.
    /// The relative error is below 1e-7 where the result is normal; 0 below −103.98, infinity above 88.73, NaN for NaN.
    /// </summary>
    public static float Exp(float x)
    {
        if (x > 88.7228394f) return float.PositiveInfinity;
        if (x < -103.972084f) return 0f;
        if (float.IsNaN(x)) return x;
        var n = MathF.Round(x * Log2E);
        var r = MathF.FusedMultiplyAdd(-n, Ln2High, x);
        r = MathF.FusedMultiplyAdd(-n, Ln2Low, r);
        // The Taylor series: at |r| = 0.3466 the first term left out is 5e-9.
        var p = MathF.FusedMultiplyAdd(1f / 5040f, r, 1f / 720f);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 120f);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 24f);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 6f);
        p = MathF.FusedMultiplyAdd(p, r, 0.5f);
        p = MathF.FusedMultiplyAdd(p, r, 1f);
        p = MathF.FusedMultiplyAdd(p, r, 1f);
        // In two steps: 2^n alone has no normal float for n = 128 or n < −126.
        var half = (int)n / 2;
        return p * PowerOfTwo(half) * PowerOfTwo((int)n - half);
    }

    private static float PowerOfTwo(int exponent) => BitConverter.Int32BitsToSingle((exponent + 127) << 23);
}
