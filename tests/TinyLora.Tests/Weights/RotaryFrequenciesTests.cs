using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Weights;

public class RotaryFrequenciesTests
{
    [Fact]
    public void Plain_frequencies_fall_from_one_by_a_constant_ratio() =>
        AssertClose([1, 0.1, 0.01, 0.001], RotaryFrequencies.Compute(8, 10000, RopeScaling.None, []));

    [Fact]
    public void Linear_scaling_divides_all() =>
        AssertClose([0.25, 0.0025], RotaryFrequencies.Compute(4, 10000, new RopeScaling { Type = RopeScalingType.Linear, Factor = 4 }, []));

    [Fact]
    public void Llama3_keeps_short_wavelengths_and_divides_long_ones()
    {
        // Wavelengths 2π · {1, 10, 100, 1000}; kept below 200 / 4 = 50, divided above 200.
        var scaling = new RopeScaling { Type = RopeScalingType.Llama3, Factor = 8, LowFrequencyFactor = 1, HighFrequencyFactor = 4, OriginalContextLength = 200 };
        var kept = (200 / (20 * Math.PI) - 1) / 3;
        AssertClose([1, 0.1 * kept + 0.1 / 8 * (1 - kept), 0.01 / 8, 0.001 / 8], RotaryFrequencies.Compute(8, 10000, scaling, []));
    }

    [Fact]
    public void Yarn_keeps_fast_pairs_and_divides_slow_ones()
    {
        // Turns over 2000π tokens: {1000, 100, 10, 1}; 100 and more kept, 1 and fewer divided by 2, pair 2 half-way between pairs 1 and 3.
        var scaling = new RopeScaling { Type = RopeScalingType.Yarn, Factor = 2, BetaFast = 100, BetaSlow = 1, Truncate = false, OriginalContextLength = 6283 };
        var frequencies = RotaryFrequencies.Compute(8, 10000, scaling, []);
        AssertClose([1, 0.1, 0.0075, 0.0005], frequencies, relative: 1e-4);
        Assert.Equal(0.1 * Math.Log(2) + 1, RopeScaling.YarnMagnitude(2), 1e-15);
        Assert.Equal(1, RopeScaling.YarnMagnitude(1));
    }

    private static void AssertClose(double[] expected, double[] actual, double relative = 1e-14)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.InRange(Math.Abs(actual[i] - expected[i]), 0, relative * expected[i]);
    }
}
