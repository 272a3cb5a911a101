using TinyLora.Sampling;
using Xunit;

namespace TinyLora.Tests.Sampling;

public class RandomStateTests
{
    [Fact]
    public void Gives_the_numbers_of_the_published_generators()
    {
        // SplitMix64 and xoshiro256** written anew in Python with unbounded integers, seed 42.
        ulong[] expected = [0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1, 0xfde6dc7fe2ec5e64];
        var random = new RandomState(42);
        foreach (var number in expected) Assert.Equal(number, random.Next());
    }

    [Fact]
    public void Doubles_fill_the_unit_interval_evenly()
    {
        var random = new RandomState(7);
        var counts = new int[10];
        for (var i = 0; i < 100_000; i++)
        {
            var number = random.NextDouble();
            Assert.InRange(number, 0.0, 0.99999999999999989);
            counts[(int)(10 * number)]++;
        }
        // Five standard deviations of a count of 10,000 in 100,000: 5 · √(100,000 · 0.1 · 0.9).
        foreach (var count in counts) Assert.InRange(count, 10_000 - 474, 10_000 + 474);
    }

    [Fact]
    public void Random_seeds_differ() => Assert.NotEqual(RandomState.RandomSeed(), RandomState.RandomSeed());
}
