using System.Collections;

namespace TinyLora.Adapters;

/// <summary>Adapters that are on together, in the order in which they were added: their sum is exact. Each has its own live <see cref="LoraAdapter.Scale"/>.</summary>
/// <remarks>
/// A session's set is the model's until it is first changed. No call allocates once an adapter is known to its model. What is in a set keeps its memory, also when it is
/// disposed; but a session takes no step with an adapter that is.
/// </remarks>
public sealed class AdapterSet : IReadOnlyList<LoraAdapter>
{
    /// <summary>Adapters that can be on at once.</summary>
    public const int Capacity = 256;

    private readonly IAdapterHost _model;
    private readonly BoundAdapter?[] _own = new BoundAdapter?[Capacity];
    private AdapterSet? _parent;
    private int _count;
    private bool _isClosed;

    internal AdapterSet(IAdapterHost model, AdapterSet? parent)
    {
        _model = model;
        _parent = parent;
    }

    /// <summary>Adapters in the set.</summary>
    public int Count => Volatile.Read(ref _parent)?.Count ?? Volatile.Read(ref _count);

    /// <summary>The adapter at a place.</summary>
    public LoraAdapter this[int index]
    {
        get
        {
            lock (Gate)
            {
                ArgumentOutOfRangeException.ThrowIfNegative(index);
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
                return Bound(index).Adapter;
            }
        }
    }

    internal Lock Gate => _model.Gate;

    /// <summary>Checks the adapter against the model, if it is new to it, and adds it.</summary>
    /// <exception cref="InvalidDataException">It does not fit the model.</exception>
    /// <exception cref="InvalidOperationException">It is in the set already, the set is full, or another in it replaces the same tensor of the base.</exception>
    /// <exception cref="ObjectDisposedException">The adapter, the set's session or the model is disposed.</exception>
    public void Add(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ObjectDisposedException.ThrowIf(_model.IsDisposed, _model);
        var bound = _model.Bind(adapter);
        // Room first: a step of another thread may see the adapter as soon as it is in the set.
        while (TryAdd(bound) is var needed && needed > 0) _model.ReserveRanks(needed);
    }

    /// <summary>Takes the adapter out; false if it was not in.</summary>
    public bool Remove(LoraAdapter adapter)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        lock (Gate)
        {
            if (IndexOf(adapter) < 0) return false;
            Detach();
            var index = IndexOf(adapter);
            for (var i = index; i < _count - 1; i++) _own[i] = _own[i + 1];
            _own[_count - 1] = null;
            Volatile.Write(ref _count, _count - 1);
            adapter.ReleaseUse();
            return true;
        }
    }

    /// <summary>Takes all out for good: the set's session has ended.</summary>
    internal void Close()
    {
        lock (Gate)
        {
            Clear();
            _isClosed = true;
        }
    }

    /// <summary>Takes all out: the base model.</summary>
    public void Clear()
    {
        lock (Gate)
        {
            Detach();
            for (var i = 0; i < _count; i++)
            {
                _own[i]!.Adapter.ReleaseUse();
                _own[i] = null;
            }
            Volatile.Write(ref _count, 0);
        }
    }

    /// <summary>Enumerates the adapters of now (allocates).</summary>
    public IEnumerator<LoraAdapter> GetEnumerator()
    {
        LoraAdapter[] adapters;
        lock (Gate)
        {
            adapters = new LoraAdapter[Count];
            for (var i = 0; i < adapters.Length; i++) adapters[i] = Bound(i).Adapter;
        }
        return ((IEnumerable<LoraAdapter>)adapters).GetEnumerator();
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Refuses a step with an adapter that was disposed and not taken off.</summary>
    /// <exception cref="ObjectDisposedException">There is one.</exception>
    internal void RefuseDisposed()
    {
        lock (Gate)
        {
            for (var i = 0; i < Count; i++)
                if (Bound(i).Adapter is { IsDisposed: true } adapter)
                    throw new ObjectDisposedException(null, $"The adapter {adapter.Path} is disposed and still on: remove it from the session or the model first, or dispose it after them.");
        }
    }

    internal BoundAdapter Bound(int index) => _parent?.Bound(index) ?? _own[index]!;

    /// <summary>Adds an adapter if a step has room for all; else returns the room that they need.</summary>
    private int TryAdd(BoundAdapter bound)
    {
        lock (Gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (IndexOf(bound.Adapter) >= 0) throw new InvalidOperationException($"The adapter {bound.Adapter.Path} is on already; its Scale says how strongly.");
            if (Count == Capacity) throw new InvalidOperationException($"{Capacity} adapters are on; no more can be.");
            for (var i = 0; i < Count; i++) Bound(i).Adapter.RefuseConflict(bound.Adapter, _model.Shape);
            var needed = bound.RankRoom;
            for (var i = 0; i < Count; i++) needed = checked(needed + Bound(i).RankRoom);
            if (needed > _model.RankRoom) return needed;
            bound.Adapter.AddUse();
            Detach();
            _own[_count] = bound;
            Volatile.Write(ref _count, _count + 1);
            return 0;
        }
    }

    private int IndexOf(LoraAdapter adapter)
    {
        for (var i = 0; i < Count; i++)
            if (Bound(i).Adapter == adapter) return i;
        return -1;
    }

    // From the model's set to one of its own, which begins with the same adapters.
    private void Detach()
    {
        if (_parent is not { } parent) return;
        for (var i = 0; i < parent.Count; i++)
        {
            _own[i] = parent.Bound(i);
            _own[i]!.Adapter.ShareUse();
        }
        _count = parent.Count;
        Volatile.Write(ref _parent, null);
    }
}
