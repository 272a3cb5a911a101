namespace TinyLora.Tokenization;

/// <summary>Texts by id, all in one block of bytes.</summary>
internal sealed class TokenTexts(byte[] bytes, int[] starts, ushort[] lengths)
{
    private byte[] _bytes = bytes;
    private int[] _starts = starts;
    private ushort[] _lengths = lengths;

    public int Count { get; private set; } = starts.Length;

    public ReadOnlySpan<byte> this[int id] => _bytes.AsSpan(_starts[id], _lengths[id]);

    /// <summary>Writes a text over an old one that is not shorter.</summary>
    public void Replace(int id, ReadOnlySpan<byte> text)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(text.Length, _lengths[id]);
        text.CopyTo(_bytes.AsSpan(_starts[id]));
        _lengths[id] = (ushort)text.Length;
    }

    /// <summary>Adds a text and gives its id.</summary>
    public int Append(ReadOnlySpan<byte> text)
    {
        var start = _bytes.Length;
        Array.Resize(ref _bytes, checked(start + text.Length));
        text.CopyTo(_bytes.AsSpan(start));
        return Append(start, text.Length);
    }

    /// <summary>Adds a part of another text and gives its id.</summary>
    public int AppendPart(int id, int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, _lengths[id]);
        return Append(_starts[id] + offset, length);
    }

    private int Append(int start, int length)
    {
        if (Count == _starts.Length)
        {
            Array.Resize(ref _starts, Count + Count / 8 + 64);
            Array.Resize(ref _lengths, _starts.Length);
        }
        _starts[Count] = start;
        _lengths[Count] = (ushort)length;
        return Count++;
    }
}
