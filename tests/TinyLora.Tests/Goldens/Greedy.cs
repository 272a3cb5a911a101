using TinyLora.Inference;

namespace TinyLora.Tests.Goldens;

/// <summary>Greedy decoding, plainly.</summary>
internal static class Greedy
{
    /// <summary>Ends with the stop token, or after <paramref name="count"/>.</summary>
    public static List<int> Decode(Session session, ReadOnlySpan<int> prompt, int count, int stop = -1)
    {
        session.Rewind(0);
        var tokens = new List<int>(count);
        var next = Best(session.Prefill(prompt));
        while (true)
        {
            tokens.Add(next);
            if (next == stop || tokens.Count == count) return tokens;
            next = Best(session.Decode(next));
        }
    }

    /// <summary>The first of the largest.</summary>
    public static int Best(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best]) best = i;
        return best;
    }

    /// <summary>The first place where two texts part, or -1; a text that ends sooner parts at its end.</summary>
    public static int Parting(IReadOnlyList<int> a, IReadOnlyList<int> b)
    {
        var shorter = Math.Min(a.Count, b.Count);
        for (var i = 0; i < shorter; i++)
            if (a[i] != b[i]) return i;
        return a.Count == b.Count ? -1 : shorter;
    }
}
