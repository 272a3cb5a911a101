namespace TinyLora.Tokenization;

/// <summary>A binary heap of numbers in memory of the caller's; the smallest comes first.</summary>
internal ref struct MinHeap(Span<ulong> memory)
{
    private readonly Span<ulong> _items = memory;
    private int _count;

    public void Push(ulong item)
    {
        var at = _count++;
        while (at > 0)
        {
            var parent = (at - 1) / 2;
            if (_items[parent] <= item) break;
            _items[at] = _items[parent];
            at = parent;
        }
        _items[at] = item;
    }

    public bool TryPop(out ulong smallest)
    {
        smallest = 0;
        if (_count == 0) return false;
        smallest = _items[0];
        var last = _items[--_count];
        var at = 0;
        while (true)
        {
            var child = 2 * at + 1;
            if (child >= _count) break;
            if (child + 1 < _count && _items[child + 1] < _items[child]) child++;
            if (_items[child] >= last) break;
            _items[at] = _items[child];
            at = child;
        }
        if (_count > 0) _items[at] = last;
        return true;
    }
}
