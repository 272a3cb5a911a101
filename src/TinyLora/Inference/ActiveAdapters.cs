using TinyLora.Adapters;

namespace TinyLora.Inference;

/// <summary>The adapters of one sequence whose scale is not 0, with the scales that a step sees: read once, so that a change in the middle of a step waits for the next.</summary>
internal sealed class ActiveAdapters
{
    // Each is held: it may be taken off and disposed while a step still reads it. Past Count null.
    private readonly BoundAdapter?[] _adapters = new BoundAdapter?[AdapterSet.Capacity];
    private readonly float[] _scales = new float[AdapterSet.Capacity];

    public int Count { get; private set; }

    public BoundAdapter this[int index] => _adapters[index]!;

    public float Scale(int index) => _scales[index];

    /// <summary>Takes the set as it is now; false if nothing changed since the last time.</summary>
    public bool Refresh(AdapterSet set)
    {
        var changed = false;
        var count = 0;
        lock (set.Gate)
        {
            for (var i = 0; i < set.Count; i++)
            {
                var bound = set.Bound(i);
                var scale = bound.Adapter.Scale;
                if (scale == 0) continue;
                changed |= count >= Count || _adapters[count] != bound || _scales[count] != scale;
                if (_adapters[count] != bound)
                {
                    bound.Hold();
                    _adapters[count]?.Dispose();
                    _adapters[count] = bound;
                }
                _scales[count++] = scale;
            }
        }
        changed |= count != Count;
        LetGo(count);
        return changed;
    }

    /// <summary>Lets all adapters go.</summary>
    public void Clear() => LetGo(0);

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
