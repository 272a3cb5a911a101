using System.Runtime.Intrinsics;

namespace TinyLora.Numerics;

/// <summary>
/// Numbers as x ≈ step · q + low with small integers q, so that the sum of squared errors is small: for a few step sizes the codes are the nearest, and least squares gives the step and the low
/// end that suit these codes best.
/// </summary>
internal unsafe struct BlockFit
{
    private const int Lanes = 8;
    private const int Rounds = 3;
    private const int Trials = 16;
    // Smaller steps than this have no half, and reciprocals that overflow.
    private const float SmallestStep = 1e-30f;

    /// <summary>Σ (x - step q - low)²</summary>
    public float Error;
    /// <summary>Σ x</summary>
    public float X;
    /// <summary>Σ q</summary>
    public float Q;
    /// <summary>Σ q²</summary>
    public float QQ;
    /// <summary>Σ x q</summary>
    public float XQ;

    /// <summary>Step ≥ 0 and low end for codes 0 to <paramref name="top"/>.</summary>
    /// <param name="x">[size], a multiple of 8.</param>
    /// <param name="size">Numbers.</param>
    /// <param name="top">The largest code.</param>
    /// <param name="most">The largest low end that the format has.</param>
    public static (float Step, float Low) Range(float* x, int size, int top, float most)
    {
        var (lowest, highest) = (Math.Min(x[0], most), x[0]);
        for (var k = 0; k < size; k++) (lowest, highest) = (Math.Min(lowest, x[k]), Math.Max(highest, x[k]));
        if (!(highest - lowest > SmallestStep)) return (0, lowest);
        var (bestStep, bestLow, bestError) = (0f, lowest, float.PositiveInfinity);
        for (var trial = 0; trial <= Trials; trial++)
        {
            var (step, low) = ((highest - lowest) / (top + Offset(trial)), lowest);
            for (var round = 0; round <= Rounds; round++)
            {
                var fit = Nearest(x, size, step, low, 0, top);
                if (fit.Error < bestError) (bestStep, bestLow, bestError) = (step, low, fit.Error);
                var determinant = size * fit.QQ - fit.Q * fit.Q;
                if (!(determinant > 0)) break;
                step = (size * fit.XQ - fit.Q * fit.X) / determinant;
                low = (fit.X - step * fit.Q) / size;
                if (low > most) (step, low) = ((fit.XQ - most * fit.Q) / fit.QQ, most);
                if (!(step > SmallestStep)) break;
            }
        }
        return (bestStep, bestLow);
    }

    /// <summary>A step of either sign for codes <paramref name="least"/> to <paramref name="most"/>.</summary>
    public static float Step(float* x, int size, int least, int most)
    {
        var largest = 0f;
        for (var k = 0; k < size; k++)
            if (Math.Abs(x[k]) > Math.Abs(largest)) largest = x[k];
        if (!(Math.Abs(largest) > SmallestStep)) return 0;
        var (bestStep, bestError) = (0f, float.PositiveInfinity);
        for (var trial = 0; trial <= Trials; trial++)
            for (var sign = -1; sign <= 1; sign += 2)
            {
                var step = sign * largest / (Offset(trial) - least);
                for (var round = 0; round <= 1; round++)
                {
                    var fit = Nearest(x, size, step, 0, least, most);
                    if (fit.Error < bestError) (bestStep, bestError) = (step, fit.Error);
                    if (!(fit.QQ > 0)) break;
                    step = fit.XQ / fit.QQ;
                }
            }
        return bestStep;
    }

    /// <summary>0, 0.25, -0.25, 0.5, ...: how many codes more or less than there are the range is cut into. The plain one first, so that what it stores exactly is stored by it.</summary>
    private static float Offset(int trial) => (trial % 2 == 0 ? -0.25f : 0.25f) * ((trial + 1) / 2);

    /// <summary>Rounds to step · q + low and says how well that does, and what least squares needs to do better.</summary>
    public static BlockFit Nearest(float* x, int size, float step, float low, int least, int most)
    {
        var inverse = Vector256.Create(Math.Abs(step) > SmallestStep ? 1 / step : 0);
        Vector256<float> error = default, sum = default, q = default, qq = default, xq = default;
        for (var k = 0; k < size; k += Lanes)
        {
            var values = Vector256.Load(x + k);
            var codes = Vector256.Min(Vector256.Max(Vector256.Round((values - Vector256.Create(low)) * inverse), Vector256.Create((float)least)), Vector256.Create((float)most));
            var distance = values - (codes * step + Vector256.Create(low));
            error += distance * distance;
            sum += values;
            q += codes;
            qq += codes * codes;
            xq += values * codes;
        }
        return new BlockFit { Error = Sum(error), X = Sum(sum), Q = Sum(q), QQ = Sum(qq), XQ = Sum(xq) };
    }

    // As in Nearest, so that the codes are the ones whose error was seen.
    public static void Codes(float* x, float step, float low, int least, int most, Span<int> codes)
    {
        var inverse = Math.Abs(step) > SmallestStep ? 1 / step : 0;
        for (var k = 0; k < codes.Length; k++) codes[k] = (int)Math.Min(Math.Max(MathF.Round((x[k] - low) * inverse), least), most);
    }

    private static float Sum(Vector256<float> v)
    {
        var half = v.GetLower() + v.GetUpper();
        return half[0] + half[2] + (half[1] + half[3]);
    }
}
