using System.Collections;

namespace TinyLora.Adapters;

/// <summary>The adapters of a session, in order; at most <see cref="Capacity"/>. No call allocates after the first use of an adapter with its model.</summary>
public sealed class AdapterSet : IReadOnlyList<LoraAdapter>
{
    /// <summary>Adapters that can be on at once.</summary>
    public const int Capacity = 16;
    public int Count => throw new NotImplementedException();
    public LoraAdapter this[int index] => throw new NotImplementedException();
    public void Add(LoraAdapter adapter) => throw new NotImplementedException();
    public bool Remove(LoraAdapter adapter) => throw new NotImplementedException();
    public void Clear() => throw new NotImplementedException();
    public IEnumerator<LoraAdapter> GetEnumerator() => throw new NotImplementedException();
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
