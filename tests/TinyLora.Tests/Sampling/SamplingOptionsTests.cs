using TinyLora.Sampling;
using Xunit;

namespace TinyLora.Tests.Sampling;

public class SamplingOptionsTests
{
    [Theory]
    [InlineData(-0.1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Temperature_is_finite_and_not_negative(float value) => Refuses(() => new SamplingOptions { Temperature = value }, "Temperature");

    [Fact]
    public void TopK_is_not_negative() => Refuses(() => new SamplingOptions { TopK = -1 }, "TopK");

    [Theory]
    [InlineData(0f)]
    [InlineData(1.01f)]
    [InlineData(float.NaN)]
    public void TopP_is_above_0_and_at_most_1(float value) => Refuses(() => new SamplingOptions { TopP = value }, "TopP");

    [Theory]
    [InlineData(-0.01f)]
    [InlineData(1.01f)]
    [InlineData(float.NaN)]
    public void MinP_is_0_to_1(float value) => Refuses(() => new SamplingOptions { MinP = value }, "MinP");

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void RepetitionPenalty_is_finite_and_above_0(float value) => Refuses(() => new SamplingOptions { RepetitionPenalty = value }, "RepetitionPenalty");

    [Fact]
    public void RepetitionWindow_is_not_negative() => Refuses(() => new SamplingOptions { RepetitionWindow = -1 }, "RepetitionWindow");

    [Fact]
    public void Greedy_has_temperature_0() => Assert.Equal(0f, SamplingOptions.Greedy.Temperature);

    [Fact]
    public void The_bounds_themselves_are_valid()
    {
        var options = new SamplingOptions { Temperature = 0f, TopK = 0, TopP = 1f, MinP = 1f, RepetitionPenalty = float.Epsilon, RepetitionWindow = 0 };
        Assert.Equal(1f, options.TopP);
        Assert.Equal(0f, (options with { MinP = 0f }).MinP);
    }

    private static void Refuses(Func<SamplingOptions> create, string name) => Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(create).ParamName);
}
