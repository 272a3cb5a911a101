using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TinyLora.Numerics;

/// <summary>
/// Elementary functions by our own polynomials: the C library's differ from one platform to the next, these give the same bits
/// everywhere, a lane of a vector the same as the scalar form.
/// </summary>
internal static class Elementary
{
    // Adding 1.5 · 2^23 rounds a float of moderate size to the nearest even integer, which then stands in its low bits.
    private const float RoundSingle = 12582912f;
    private const int RoundSingleBits = 0x4B400000;
    private const double RoundDouble = 6755399441055744.0;

    private const float Log2E = 1.44269504f;
    // ln 2 in two parts: n · Ln2High is exact for every |n| <= 127.
    private const float Ln2High = 0.693145752f;
    private const float Ln2Low = 1.42860677e-6f;
    private const float ExpMin = -87.3f, ExpMax = 88.02f;

    /// <summary>e^x, relative error below 2e-7; x is clamped to where the result is a normal number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp(float x)
    {
        x = x > ExpMax ? ExpMax : x < ExpMin ? ExpMin : x;
        var shifted = MathF.FusedMultiplyAdd(x, Log2E, RoundSingle);
        var n = shifted - RoundSingle;
        var r = MathF.FusedMultiplyAdd(n, -Ln2High, x);
        r = MathF.FusedMultiplyAdd(n, -Ln2Low, r);
        var p = MathF.FusedMultiplyAdd(1f / 5040, r, 1f / 720);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 120);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 24);
        p = MathF.FusedMultiplyAdd(p, r, 1f / 6);
        p = MathF.FusedMultiplyAdd(p, r, 0.5f);
        p = MathF.FusedMultiplyAdd(p, r, 1f);
        p = MathF.FusedMultiplyAdd(p, r, 1f);
        return p * BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(shifted) - RoundSingleBits + 127) << 23);
    }

    /// <summary>e^x in each lane, the same bits as <see cref="Exp(float)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x)
    {
        x = Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256.Create(ExpMax)), Vector256.Create(ExpMax), x);
        x = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(ExpMin)), Vector256.Create(ExpMin), x);
        var shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(Log2E), Vector256.Create(RoundSingle));
        var n = shifted - Vector256.Create(RoundSingle);
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2High), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Low), r);
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(1f / 5040), r, Vector256.Create(1f / 720));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 120));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 24));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 6));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.5f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        var exponent = shifted.AsInt32() - Vector256.Create(RoundSingleBits - 127);
        return p * Vector256.ShiftLeft(exponent, 23).AsSingle();
    }

    /// <summary>Sine and cosine of x radians, |x| below 2^30, absolute error below 1e-13 · max(1, |x| / 1000).</summary>
    public static (double Sin, double Cos) SinCos(double x)
    {
        var shifted = Math.FusedMultiplyAdd(x, 2 / Math.PI, RoundDouble);
        var n = shifted - RoundDouble;
        var quadrant = (int)(BitConverter.DoubleToInt64Bits(shifted) & 3);
        // pi/2 in three parts
        var r = Math.FusedMultiplyAdd(n, -1.5707963267948966, x);
        r = Math.FusedMultiplyAdd(n, -6.123233995736766e-17, r);
        var z = r * r;
        var s = Math.FusedMultiplyAdd(z, -1.0 / 1307674368000, 1.0 / 6227020800);
        s = Math.FusedMultiplyAdd(s, z, -1.0 / 39916800);
        s = Math.FusedMultiplyAdd(s, z, 1.0 / 362880);
        s = Math.FusedMultiplyAdd(s, z, -1.0 / 5040);
        s = Math.FusedMultiplyAdd(s, z, 1.0 / 120);
        s = Math.FusedMultiplyAdd(s, z, -1.0 / 6);
        var sin = Math.FusedMultiplyAdd(s * z, r, r);
        var c = Math.FusedMultiplyAdd(z, 1.0 / 20922789888000, -1.0 / 87178291200);
        c = Math.FusedMultiplyAdd(c, z, 1.0 / 479001600);
        c = Math.FusedMultiplyAdd(c, z, -1.0 / 3628800);
        c = Math.FusedMultiplyAdd(c, z, 1.0 / 40320);
        c = Math.FusedMultiplyAdd(c, z, -1.0 / 720);
        c = Math.FusedMultiplyAdd(c, z, 1.0 / 24);
        c = Math.FusedMultiplyAdd(c, z, -0.5);
        var cos = Math.FusedMultiplyAdd(c, z, 1.0);
        return quadrant switch { 0 => (sin, cos), 1 => (cos, -sin), 2 => (-sin, -cos), _ => (-cos, sin) };
    }

    /// <summary>Natural logarithm of a positive normal number, absolute error below 1e-15 · max(1, |ln x|).</summary>
    public static double Log(double x)
    {
        var bits = BitConverter.DoubleToInt64Bits(x);
        var exponent = (int)(bits >> 52) - 1023;
        var m = BitConverter.Int64BitsToDouble((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (m > 1.4142135623730951) { m *= 0.5; exponent++; }
        // ln m = 2 artanh((m - 1) / (m + 1)) = 2 (s + s^3/3 + s^5/5 + …), |s| below 0.172
        var s = (m - 1) / (m + 1);
        var z = s * s;
        var p = 1.0 / 23;
        for (var k = 21; k >= 3; k -= 2) p = Math.FusedMultiplyAdd(p, z, 1.0 / k);
        return Math.FusedMultiplyAdd(exponent, 0.6931471805599453, 2 * Math.FusedMultiplyAdd(p * z, s, s));
    }

    /// <summary>e^x for |x| below 700, relative error below 1e-14.</summary>
    public static double Exp(double x)
    {
        var shifted = Math.FusedMultiplyAdd(x, 1.4426950408889634, RoundDouble);
        var n = shifted - RoundDouble;
        var r = Math.FusedMultiplyAdd(n, -0.6931471805599453, x);
        r = Math.FusedMultiplyAdd(n, -2.3190468138462996e-17, r);
        var p = 1.0;
        for (var k = 14; k >= 1; k--) p = Math.FusedMultiplyAdd(p * (1.0 / k), r, 1.0);
        return p * BitConverter.Int64BitsToDouble(((long)n + 1023) << 52);
    }

    /// <summary>x^y for positive x, |y ln x| below 700.</summary>
    public static double Pow(double x, double y) => Exp(y * Log(x));
}
