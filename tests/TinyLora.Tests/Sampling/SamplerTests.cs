using TinyLora.Sampling;
using TinyLora.Tests.Oracles;
using Xunit;

namespace TinyLora.Tests.Sampling;

public class SamplerTests
{
    private static readonly SamplingOptions s_plain = new() { Temperature = 1f, TopK = 0, TopP = 1f, MinP = 0f, Seed = 1 };

    [Fact]
    public void Greedy_takes_the_likeliest_and_of_equals_the_lowest_id()
    {
        var sampler = new Sampler(5, SamplingOptions.Greedy);
        Assert.Equal(2, sampler.Sample([0f, -3f, 4f, 4f, 1f], []));
        Assert.Equal(4, sampler.Sample([float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity, -1f], []));
    }

    [Fact]
    public void TopK_1_is_greedy() => Assert.Equal(1, new Sampler(3, s_plain with { TopK = 1 }).Sample([0f, 0.01f, 0f], []));

    [Theory]
    [InlineData(1f, 0, 1f, 0f, 1f)]
    [InlineData(0.7f, 40, 1f, 0f, 1f)]
    [InlineData(1.5f, 3, 1f, 0f, 1f)]
    [InlineData(1f, 0, 0.9f, 0f, 1f)]
    [InlineData(0.8f, 40, 0.5f, 0f, 1f)]
    [InlineData(1f, 0, 1f, 0.2f, 1f)]
    [InlineData(0.9f, 100, 0.95f, 0.05f, 1.3f)]
    [InlineData(2f, 0, 0.7f, 0.1f, 0.8f)]
    [InlineData(0.01f, 1000, 0.999f, 0f, 1f)]
    public void Draws_as_a_plain_implementation_in_double_does(float temperature, int topK, float topP, float minP, float penalty)
    {
        const int Size = 500;
        var options = new SamplingOptions { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, RepetitionPenalty = penalty, RepetitionWindow = 20, Seed = 99 };
        var sampler = new Sampler(Size, options);
        var random = new RandomState(99);
        var input = new Random(5);
        var logits = new float[Size];
        var history = new List<int>();
        var compared = 0;
        for (var turn = 0; turn < 300; turn++)
        {
            // Whole eighths, so that ties are common.
            for (var i = 0; i < Size; i++) logits[i] = MathF.Round((float)(input.NextDouble() * 8 - 4) * 8) / 8;
            var token = sampler.Sample(logits, history.ToArray());
            var (expected, margin) = PlainSampler.Sample(logits, history, options, random.NextDouble());
            // Nearer to a border than the error of float weights (1e-6 of the sum), either neighbour is right.
            if (margin > 1e-6)
            {
                Assert.Equal(expected, token);
                compared++;
            }
            history.Add(token);
        }
        // Where the tail's probabilities are of that size, one turn in ten is near a border.
        Assert.InRange(compared, 250, 300);
    }

    [Fact]
    public void TopP_keeps_as_many_as_are_needed_and_one_at_least()
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.2f)];
        Assert.Equal([0], Support(logits, s_plain with { TopP = 0.4f }));
        Assert.Equal([0, 1], Support(logits, s_plain with { TopP = 0.7f }));
        Assert.Equal([0, 1, 2], Support(logits, s_plain with { TopP = 0.9f }));
        Assert.Equal([0], Support(logits, s_plain with { TopP = float.Epsilon }));
    }

    [Fact]
    public void MinP_is_measured_by_the_likeliest()
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.3f), MathF.Log(0.2f)];
        Assert.Equal([0, 1], Support(logits, s_plain with { MinP = 0.5f }));
        Assert.Equal([0], Support(logits, s_plain with { MinP = 1f }));
    }

    [Fact]
    public void Of_equal_logits_top_k_keeps_the_lowest_ids() =>
        Assert.Equal([0, 1, 2], Support([1f, 1f, 1f, 1f, 1f, 1f], s_plain with { TopK = 3 }));

    [Fact]
    public void Excluded_tokens_are_never_drawn() =>
        Assert.Equal([1], Support([float.NegativeInfinity, 0f, float.NegativeInfinity], s_plain with { Temperature = 50f }));

    [Fact]
    public void Penalty_divides_positive_logits_multiplies_negative_ones_and_counts_a_token_once()
    {
        var sampler = new Sampler(4, SamplingOptions.Greedy with { RepetitionPenalty = 2f, RepetitionWindow = 3 });
        Assert.Equal(1, sampler.Sample([4f, 2.5f, -1f, -1.5f], [0, 0]));
        Assert.Equal(0, sampler.Sample([4f, 1.9f, -1f, -1.5f], [0, 0]));
        Assert.Equal(3, sampler.Sample([-9f, -9f, -1f, -1.5f], [2]));
        // Outside the window, and ids that the vocabulary does not have.
        Assert.Equal(0, sampler.Sample([4f, 2.5f, -1f, -1.5f], [0, 3, 3, 3]));
        Assert.Equal(0, sampler.Sample([4f, 2.5f, -1f, -1.5f], [-1, 4, int.MaxValue]));
    }

    [Fact]
    public void A_seed_replays_and_another_one_does_not()
    {
        var logits = new float[1000];
        var first = Draws(11);
        Assert.Equal(first, Draws(11));
        Assert.NotEqual(first, Draws(12));
        var sampler = new Sampler(1000, s_plain with { Seed = null });
        Assert.Equal(Enumerable.Range(0, 20).Select(_ => sampler.Sample(logits, [])).ToArray(), Draws(sampler.Seed));

        int[] Draws(ulong seed)
        {
            var again = new Sampler(1000, s_plain with { Seed = seed });
            return [.. Enumerable.Range(0, 20).Select(_ => again.Sample(logits, []))];
        }
    }

    [Fact]
    public void Frequencies_follow_the_probabilities()
    {
        float[] probabilities = [0.05f, 0.15f, 0.3f, 0.5f];
        var logits = Array.ConvertAll(probabilities, MathF.Log);
        var sampler = new Sampler(4, s_plain with { Seed = 3 });
        var counts = new int[4];
        for (var i = 0; i < 40_000; i++) counts[sampler.Sample(logits, [])]++;
        // Five standard deviations of a binomial count.
        for (var i = 0; i < 4; i++)
            Assert.InRange(counts[i] - 40_000 * probabilities[i], -5 * Math.Sqrt(40_000 * probabilities[i]), 5 * Math.Sqrt(40_000 * probabilities[i]));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Broken_logits_are_refused(float broken)
    {
        foreach (var options in new[] { SamplingOptions.Greedy, s_plain, new SamplingOptions() })
        {
            var error = Assert.Throws<InvalidOperationException>(() => new Sampler(3, options).Sample([0f, broken, 1f], []));
            Assert.Contains("token 1", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_finite_logit_is_refused() =>
        Assert.Throws<InvalidOperationException>(() => new Sampler(1, s_plain).Sample([float.NegativeInfinity], []));

    [Fact]
    public void The_count_of_logits_is_checked() => Assert.Throws<ArgumentException>(() => new Sampler(3).Sample([0f], []));

    [Fact]
    public void A_vocabulary_has_a_size() => Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(0));

    [Fact]
    public void A_call_allocates_nothing()
    {
        var logits = new float[150_000];
        var input = new Random(1);
        for (var i = 0; i < logits.Length; i++) logits[i] = (float)input.NextDouble();
        int[] history = [1, 2, 3, 3];
        Sampler[] samplers =
        [
            new(logits.Length, SamplingOptions.Greedy),
            new(logits.Length, new SamplingOptions { RepetitionPenalty = 1.1f }),
            new(logits.Length, s_plain with { TopP = 0.01f }),
        ];
        foreach (var sampler in samplers)
        {
            Assert.Equal(0, Allocations.Least(() =>
            {
                for (var i = 0; i < 20; i++) sampler.Sample(logits, history);
            }));
        }
    }

    private static int[] Support(float[] logits, SamplingOptions options)
    {
        var sampler = new Sampler(logits.Length, options);
        var drawn = new SortedSet<int>();
        for (var i = 0; i < 500; i++) drawn.Add(sampler.Sample(logits, []));
        return [.. drawn];
    }
}
