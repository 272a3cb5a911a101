using System.Numerics;

namespace TinyLora.Tokenization;

/// <summary>From a pair of symbols to a 64-bit value: open addressing, at most five eighths full.</summary>
internal sealed class PairTable
{
    /// <summary>Value of a pair that is not there; no pair may have it.</summary>
    public const ulong None = ulong.MaxValue;

    // Key and value side by side: one cache line a look-up. The key of an empty slot is None, which no pair of ids has.
    private ulong[] _entries;
    private int _mask;

    public PairTable(int capacity)
    {
        _entries = Empty((int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, capacity / 5 * 8)));
        _mask = _entries.Length / 2 - 1;
    }

    public int Count { get; private set; }

    public ulong Find(int left, int right)
    {
        var key = Key(left, right);
        var slot = Locate(key);
        return _entries[2 * slot] == key ? _entries[2 * slot + 1] : None;
    }

    /// <summary>Adds a pair; one that is there already keeps its value.</summary>
    public void Add(int left, int right, ulong value)
    {
        var key = Key(left, right);
        var slot = Locate(key);
        if (_entries[2 * slot] == key) return;
        if ((Count + 1L) * 8 > (_mask + 1L) * 5)
        {
            Grow();
            slot = Locate(key);
        }
        _entries[2 * slot] = key;
        _entries[2 * slot + 1] = value;
        Count++;
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private static ulong[] Empty(int slots)
    {
        var entries = new ulong[checked(slots * 2)];
        entries.AsSpan().Fill(None);
        return entries;
    }

    private int Locate(ulong key)
    {
        var slot = (int)ByteHash.Of(key) & _mask;
        while (_entries[2 * slot] != key && _entries[2 * slot] != None) slot = (slot + 1) & _mask;
        return slot;
    }

    private void Grow()
    {
        var old = _entries;
        _entries = Empty(checked((_mask + 1) * 2));
        _mask = _entries.Length / 2 - 1;
        for (var i = 0; i < old.Length; i += 2)
        {
            if (old[i] == None) continue;
            var slot = Locate(old[i]);
            _entries[2 * slot] = old[i];
            _entries[2 * slot + 1] = old[i + 1];
        }
    }
}
