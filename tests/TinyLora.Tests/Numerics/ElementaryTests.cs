using System.Runtime.Intrinsics;
using TinyLora.Numerics;

namespace TinyLora.Tests.Numerics;

/// <summary>The elementary functions within the bounds that they document, against the C library's in double.</summary>
public class ElementaryTests
{
    [Fact]
    public void Exp_of_floats()
    {
        var lanes = new float[8];
        for (var step = 0; step < 400_000; step++)
        {
            var x = -87.3f + 175.3f * step / 400_000;
            var y = Elementary.Exp(x);
            var exact = Math.Exp(x);
            if (!(Math.Abs(y - exact) <= 2e-7 * exact)) Assert.Fail($"exp {x:R}: {y:R}, exactly {exact:R}");
            lanes[step % 8] = x;
            if (step % 8 != 7) continue;
            var vector = Elementary.Exp(Vector256.Create<float>(lanes));
            for (var i = 0; i < 8; i++)
                if (BitConverter.SingleToInt32Bits(vector[i]) != BitConverter.SingleToInt32Bits(Elementary.Exp(lanes[i]))) Assert.Fail($"exp {lanes[i]:R}: a lane gives {vector[i]:R}");
        }
    }

    [Theory]
    [InlineData(float.NegativeInfinity)]
    [InlineData(-1000f)]
    [InlineData(-87.3f)]
    [InlineData(0f)]
    [InlineData(88.02f)]
    [InlineData(1000f)]
    [InlineData(float.PositiveInfinity)]
    public void Exp_stays_a_normal_number(float x)
    {
        var y = Elementary.Exp(x);
        Assert.True(float.IsNormal(y) && y > 0, $"{y:R}");
        Assert.Equal(y, Elementary.Exp(Vector256.Create(x))[3]);
        if (x == 0) Assert.Equal(1f, y);
    }

    [Fact]
    public void Sine_and_cosine()
    {
        var random = new Random(1);
        for (var i = 0; i < 200_000; i++)
        {
            // All sizes, both signs.
            var x = Math.Pow(2, random.NextDouble() * 50 - 20) * (random.Next(2) * 2 - 1);
            var (sin, cos) = Elementary.SinCos(x);
            var bound = 1e-13 * Math.Max(1, Math.Abs(x) / 1000);
            if (!(Math.Abs(sin - Math.Sin(x)) <= bound && Math.Abs(cos - Math.Cos(x)) <= bound)) Assert.Fail($"{x:R}: {sin:R} {cos:R}, exactly {Math.Sin(x):R} {Math.Cos(x):R}");
        }
    }

    [Fact]
    public void Logarithm_exponential_power()
    {
        var random = new Random(2);
        for (var i = 0; i < 100_000; i++)
        {
            var x = Math.Pow(2, random.NextDouble() * 200 - 100);
            var log = Math.Log(x);
            if (!(Math.Abs(Elementary.Log(x) - log) <= 1e-15 * Math.Max(1, Math.Abs(log)))) Assert.Fail($"log {x:R}: {Elementary.Log(x):R}, exactly {log:R}");
            var y = random.NextDouble() * 1400 - 700;
            var exp = Math.Exp(y);
            if (!(Math.Abs(Elementary.Exp(y) - exp) <= 1e-14 * exp)) Assert.Fail($"exp {y:R}: {Elementary.Exp(y):R}, exactly {exp:R}");
            var power = random.NextDouble() * 4 - 2;
            var exact = Math.Pow(x, power);
            // The logarithm's error, 1e-15 of |y ln x| <= 139 and its rounding, is the power's relative one.
            if (!(Math.Abs(Elementary.Pow(x, power) - exact) <= 1e-12 * exact)) Assert.Fail($"{x:R}^{power:R}: {Elementary.Pow(x, power):R}, exactly {exact:R}");
        }
    }
}
