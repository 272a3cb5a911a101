using TinyLora.Adapters;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>The adapters of one sequence whose scale is not 0, with the scales that a step sees: read once, so that a change in the middle of a step waits for the next.</summary>
internal sealed unsafe class ActiveAdapters
{
    /// <summary>The place of an adapter that the prompt does not switch on.</summary>
    public const int Never = int.MaxValue;

    // Each is held: it may be taken off and disposed while a step still reads it. Past Count null.
    private readonly BoundAdapter?[] _adapters = new BoundAdapter?[AdapterSet.Capacity];
    private readonly float[] _scales = new float[AdapterSet.Capacity];
    private readonly int[] _starts = new int[AdapterSet.Capacity];

    public int Count { get; private set; }

    /// <summary>What they change beside the projections, all together.</summary>
    public AdapterChanges Changes { get; private set; }

    public BoundAdapter this[int index] => _adapters[index]!;

    public float Scale(int index) => _scales[index];

    /// <summary>The position from which an adapter is on: 0 for all but those with invocation tokens.</summary>
    public int Start(int index) => _starts[index];

    /// <summary>Takes the set as it is now.</summary>
    /// <param name="set">The set.</param>
    /// <param name="prompt">Where invocation tokens are looked for.</param>
    /// <param name="isNew">Whether the prompt is another than the last time.</param>
    /// <returns>The first position that the cache does not hold as this set computes it; <see cref="Never"/> if nothing changed.</returns>
    public int Refresh(AdapterSet set, ReadOnlySpan<int> prompt, bool isNew)
    {
        var stale = Never;
        var count = 0;
        var changes = AdapterChanges.None;
        lock (set.Gate)
        {
            for (var i = 0; i < set.Count; i++)
            {
                var bound = set.Bound(i);
                var scale = bound.Adapter.Scale;
                if (scale == 0) continue;
                changes |= bound.Parts.Changes;
                var isOther = count >= Count || _adapters[count] != bound || _scales[count] != scale;
                var old = count < Count ? _starts[count] : Never;
                var start = isOther || isNew ? StartOf(bound.Adapter.Content.InvocationTokens, prompt) : old;
                if (isOther) stale = Math.Min(stale, Math.Min(FirstChanged(bound, start), count < Count ? FirstChanged(_adapters[count]!, old) : Never));
                else if (start != old) stale = Math.Min(stale, Math.Min(start, old));
                if (_adapters[count] != bound)
                {
                    bound.Hold();
                    _adapters[count]?.Dispose();
                    _adapters[count] = bound;
                }
                _starts[count] = start;
                _scales[count++] = scale;
            }
        }
        for (var i = count; i < Count; i++) stale = Math.Min(stale, FirstChanged(_adapters[i]!, _starts[i]));
        LetGo(count);
        Changes = changes;
        return stale;
    }

    /// <summary>The norm that stands in for the base's, or null.</summary>
    public float* Norm(int index)
    {
        for (var i = 0; i < Count; i++)
            if (_adapters[i]!.Parts.Norms is { } norms && norms[index] != 0) return (float*)norms[index];
        return null;
    }

    /// <summary>What is added to a projection's bias to replace it, or null.</summary>
    public float* Shift(int projection)
    {
        for (var i = 0; i < Count; i++)
            if (_adapters[i]!.Parts.Shifts is { } shifts && shifts[projection] != 0) return (float*)shifts[projection];
        return null;
    }

    /// <summary>The matrix that stands in for the base's, or that.</summary>
    public ref readonly Linear Matrix(int projection, in Linear otherwise)
    {
        for (var i = 0; i < Count; i++)
            if (_adapters[i]!.Parts.Matrices is { } matrices && matrices[projection].Weights != null) return ref matrices[projection];
        return ref otherwise;
    }

    /// <summary>Those that act on the sequence, as values that stay.</summary>
    public AppliedAdapter[] ToApplied()
    {
        var count = 0;
        for (var i = 0; i < Count; i++)
            if (FirstActed(i) != Never) count++;
        if (count == 0) return [];
        var applied = new AppliedAdapter[count];
        count = 0;
        for (var i = 0; i < Count; i++)
            if (FirstActed(i) is var first && first != Never) applied[count++] = new AppliedAdapter(_adapters[i]!.Adapter.Name, _adapters[i]!.Adapter.Path, _scales[i], first);
        return applied;
    }

    /// <summary>Lets all adapters go.</summary>
    public void Clear() => LetGo(0);

    /// <summary>From where on keys and values are not the base's: invocation tokens hold back A and B alone, what stands in for something of the base is on from the first token.</summary>
    private static int FirstChanged(BoundAdapter adapter, int start) => (adapter.Parts.Changes & ~AdapterChanges.Head) == AdapterChanges.None ? start : 0;

    /// <summary>The first token that anything of an adapter acts on.</summary>
    private int FirstActed(int index) => _adapters[index]!.Adapter.Replaces.Count > 0 || _adapters[index]!.Parts.EmbeddingLora.Rank > 0 ? 0 : _starts[index];

    private static int StartOf(int[] invocation, ReadOnlySpan<int> prompt)
    {
        if (invocation.Length == 0) return 0;
        var at = prompt.LastIndexOf(invocation);
        return at < 0 ? Never : at;
    }

    private void LetGo(int from)
    {
        for (var i = from; i < Count; i++)
        {
            _adapters[i]!.Dispose();
            _adapters[i] = null;
        }
        Count = from;
    }
}
