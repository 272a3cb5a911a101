namespace TinyLora.Sampling;

/// <summary>Binary heaps of token ids by their logits, in place. Of two equal logits the lower id is the better.</summary>
internal static class CandidateHeap
{
    /// <summary>Moves the id at <paramref name="at"/> up in a heap that has the worst on top.</summary>
    public static void RaiseWorst(int[] ids, float[] logits, int at)
    {
        while (at > 0)
        {
            var parent = (at - 1) / 2;
            if (!Better(ids[parent], ids[at], logits)) return;
            (ids[parent], ids[at]) = (ids[at], ids[parent]);
            at = parent;
        }
    }

    /// <summary>Moves the id at <paramref name="at"/> down in a heap that has the worst on top.</summary>
    public static void SinkWorst(int[] ids, float[] logits, int at, int count)
    {
        while (true)
        {
            var child = 2 * at + 1;
            if (child >= count) return;
            if (child + 1 < count && Better(ids[child], ids[child + 1], logits)) child++;
            if (!Better(ids[at], ids[child], logits)) return;
            (ids[at], ids[child]) = (ids[child], ids[at]);
            at = child;
        }
    }

    /// <summary>Moves the id at <paramref name="at"/> down in a heap that has the best on top.</summary>
    public static void SinkBest(int[] ids, float[] logits, int at, int count)
    {
        while (true)
        {
            var child = 2 * at + 1;
            if (child >= count) return;
            if (child + 1 < count && Better(ids[child + 1], ids[child], logits)) child++;
            if (!Better(ids[child], ids[at], logits)) return;
            (ids[at], ids[child]) = (ids[child], ids[at]);
            at = child;
        }
    }

    /// <summary>Makes a heap that has the best on top.</summary>
    public static void MakeBest(int[] ids, float[] logits, int count)
    {
        for (var i = count / 2 - 1; i >= 0; i--) SinkBest(ids, logits, i, count);
    }

    /// <summary>Turns a heap that has the worst on top into a list, best first.</summary>
    public static void SortBestFirst(int[] ids, float[] logits, int count)
    {
        for (var end = count - 1; end > 0; end--)
        {
            (ids[0], ids[end]) = (ids[end], ids[0]);
            SinkWorst(ids, logits, 0, end);
        }
    }

    private static bool Better(int left, int right, float[] logits) =>
        logits[left] > logits[right] || (logits[left] == logits[right] && left < right);
}
