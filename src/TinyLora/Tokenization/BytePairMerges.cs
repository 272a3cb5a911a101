using TinyLora.Numerics;

namespace TinyLora.Tokenization;

/// <summary>
/// Byte pair encoding (Sennrich et al. 2016): of all neighbouring symbols that may merge, the pair of the lowest rank is merged first, of
/// equal ranks the leftmost, until none may.
/// </summary>
internal sealed class BytePairMerges(int capacity)
{
    /// <summary>Up to here looking at all pairs each time is quicker than a heap.</summary>
    private const int ShortLength = 48;

    private const uint NoRank = uint.MaxValue;

    private readonly PairTable _pairs = new(capacity);

    /// <summary>Lets a pair merge. Its first rank counts if it is named twice.</summary>
    public void Add(int left, int right, uint rank, int merged) => _pairs.Add(left, right, ((ulong)rank << 32) | (uint)merged);

    /// <summary>Merges symbols in place and returns how many are left. O(n log n).</summary>
    public int Merge(Span<int> symbols)
    {
        if (symbols.Length < 2) return symbols.Length;
        return symbols.Length <= ShortLength ? MergeShort(symbols) : MergeLong(symbols);
    }

    private static uint Rank(ulong pair) => (uint)(pair >> 32);

    private int MergeShort(Span<int> symbols)
    {
        Span<ulong> pairs = stackalloc ulong[ShortLength];
        var count = symbols.Length;
        for (var i = 0; i + 1 < count; i++) pairs[i] = _pairs.Find(symbols[i], symbols[i + 1]);
        while (true)
        {
            var best = NoRank;
            var at = -1;
            for (var i = 0; i + 1 < count; i++)
            {
                if (Rank(pairs[i]) >= best) continue;
                best = Rank(pairs[i]);
                at = i;
            }
            if (at < 0) return count;

            symbols[at] = (int)(uint)pairs[at];
            symbols[(at + 2)..count].CopyTo(symbols[(at + 1)..]);
            pairs[(at + 1)..count].CopyTo(pairs[at..]);
            count--;
            if (at > 0) pairs[at - 1] = _pairs.Find(symbols[at - 1], symbols[at]);
            if (at + 1 < count) pairs[at] = _pairs.Find(symbols[at], symbols[at + 1]);
        }
    }

    /// <summary>Linked list of symbols, heap of (rank, position). An entry whose pair has changed since is stale and passed over.</summary>
    private int MergeLong(Span<int> symbols)
    {
        var count = symbols.Length;
        using var links = new NativeScratch<int>(checked(2 * count));
        using var values = new NativeScratch<ulong>(checked(3 * count));
        var next = links.Span[..count];
        var previous = links.Span[count..];
        var pairs = values.Span[..count];
        // Each merge takes one entry and puts at most two.
        var heap = new MinHeap(values.Span[count..]);
        for (var i = 0; i < count; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            pairs[i] = i + 1 < count ? _pairs.Find(symbols[i], symbols[i + 1]) : PairTable.None;
            if (pairs[i] != PairTable.None) heap.Push(Entry(pairs[i], i));
        }

        while (heap.TryPop(out var entry))
        {
            var at = (int)(uint)entry;
            var pair = pairs[at];
            if (pair == PairTable.None || Rank(pair) != (uint)(entry >> 32)) continue;
            var gone = next[at];
            symbols[at] = (int)(uint)pair;
            next[at] = next[gone];
            pairs[gone] = PairTable.None;
            if (next[at] < count) previous[next[at]] = at;
            Renew(symbols, pairs, at, next[at], ref heap);
            if (previous[at] >= 0) Renew(symbols, pairs, previous[at], at, ref heap);
        }

        var kept = 0;
        for (var i = 0; i < count; i = next[i]) symbols[kept++] = symbols[i];
        return kept;
    }

    private static ulong Entry(ulong pair, int at) => ((ulong)Rank(pair) << 32) | (uint)at;

    private void Renew(Span<int> symbols, Span<ulong> pairs, int left, int right, ref MinHeap heap)
    {
        pairs[left] = right < symbols.Length ? _pairs.Find(symbols[left], symbols[right]) : PairTable.None;
        if (pairs[left] != PairTable.None) heap.Push(Entry(pairs[left], left));
    }
}
