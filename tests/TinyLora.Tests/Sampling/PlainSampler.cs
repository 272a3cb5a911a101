using TinyLora.Sampling;

namespace TinyLora.Tests.Sampling;

/// <summary>The steps of <see cref="SamplingOptions"/> in double over a sorted list: the oracle.</summary>
internal static class PlainSampler
{
    /// <summary>The token, and how far from a border that would have changed it the draw and the steps were, as a part of the sum.</summary>
    public static (int Token, double Margin) Sample(float[] logits, List<int> history, SamplingOptions options, double draw)
    {
        var penalized = history.TakeLast(options.RepetitionWindow).ToHashSet();
        var scores = logits.Select((logit, id) => (Id: id, Logit: !penalized.Contains(id) ? logit : logit > 0 ? logit / options.RepetitionPenalty : logit * options.RepetitionPenalty));
        // The order of the draw is best first wherever a step has sorted, and by id where none has.
        var sorted = scores.OrderByDescending(score => score.Logit).ThenBy(score => score.Id).ToList();
        var isSorted = options.TopK > 0 && options.TopK < logits.Length || options.TopP < 1f;
        if (options.TopK > 0) sorted = [.. sorted.Take(options.TopK)];
        var margin = 1.0;
        if (options.TopP < 1f)
        {
            var total = sorted.Sum(score => Math.Exp(score.Logit - sorted[0].Logit));
            var sum = 0.0;
            var kept = 0;
            while (kept < sorted.Count)
            {
                sum += Math.Exp(sorted[kept++].Logit - sorted[0].Logit) / total;
                margin = Math.Min(margin, Math.Abs(sum - options.TopP));
                if (sum >= options.TopP) break;
            }
            sorted = [.. sorted.Take(kept)];
        }
        if (options.MinP > 0f)
        {
            var best = sorted[0].Logit;
            margin = Math.Min(margin, sorted.Min(score => Math.Abs(Math.Exp(score.Logit - best) - options.MinP)));
            sorted = [.. sorted.Where(score => Math.Exp(score.Logit - best) >= options.MinP)];
        }
        var likeliest = sorted[0].Logit;
        if (!isSorted) sorted = [.. sorted.OrderBy(score => score.Id)];
        var weights = sorted.Select(score => Math.Exp((score.Logit - likeliest) / options.Temperature)).ToList();
        var whole = weights.Sum();
        var reached = 0.0;
        for (var i = 0; i < sorted.Count; i++)
        {
            reached += weights[i] / whole;
            margin = Math.Min(margin, Math.Abs(reached - draw));
            if (reached > draw) return (sorted[i].Id, margin);
        }
        return (sorted[^1].Id, margin);
    }
}
