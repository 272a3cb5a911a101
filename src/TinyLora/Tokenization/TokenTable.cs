using System.Numerics;

namespace TinyLora.Tokenization;

/// <summary>From a text's bytes to its id: open addressing, at most half full.</summary>
internal sealed class TokenTable
{
    private readonly TokenTexts _texts;
    private ulong[] _slots; // hash in the upper half, id + 1 in the lower, 0 for empty
    private int _count;

    public TokenTable(TokenTexts texts, int capacity)
    {
        _texts = texts;
        _slots = new ulong[BitOperations.RoundUpToPowerOf2((uint)Math.Max(4, capacity) * 2)];
    }

    /// <summary>Adds a text by its id; false, and the id that has this text already, if there is one.</summary>
    public bool TryAdd(int id, out int present)
    {
        var text = _texts[id];
        var hash = ByteHash.Of(text);
        var slot = Locate(text, hash);
        present = (int)(uint)_slots[slot] - 1;
        if (present >= 0) return false;
        _slots[slot] = ((ulong)hash << 32) | (uint)(id + 1);
        if (++_count * 2L > _slots.Length) Grow();
        return true;
    }

    /// <summary>Id of this text, or -1.</summary>
    public int Find(ReadOnlySpan<byte> text) => (int)(uint)_slots[Locate(text, ByteHash.Of(text))] - 1;

    private int Locate(ReadOnlySpan<byte> text, uint hash)
    {
        var slots = _slots;
        var mask = slots.Length - 1;
        var slot = (int)hash & mask;
        while (true)
        {
            var entry = slots[slot];
            if (entry == 0 || ((uint)(entry >> 32) == hash && _texts[(int)(uint)entry - 1].SequenceEqual(text))) return slot;
            slot = (slot + 1) & mask;
        }
    }

    private void Grow()
    {
        var old = _slots;
        _slots = new ulong[checked(old.Length * 2)];
        var mask = _slots.Length - 1;
        foreach (var entry in old)
        {
            if (entry == 0) continue;
            var slot = (int)(entry >> 32) & mask;
            while (_slots[slot] != 0) slot = (slot + 1) & mask;
            _slots[slot] = entry;
        }
    }
}
