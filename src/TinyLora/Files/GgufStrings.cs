using System.Runtime.CompilerServices;

namespace TinyLora.Files;

/// <summary>Goes through the strings of a <see cref="GgufArray"/>: for <c>foreach</c>. Their bytes are not checked to be UTF-8.</summary>
public unsafe ref struct GgufStrings
{
    private byte* _next;
    private long _left;

    // The lengths were checked against the file's when it was opened.
    internal GgufStrings(byte* data, long count)
    {
        _next = data;
        _left = count;
    }

    /// <summary>Bytes of the string at hand.</summary>
    public ReadOnlySpan<byte> Current { get; private set; }

    /// <summary>This.</summary>
    public readonly GgufStrings GetEnumerator() => this;

    /// <summary>Goes on to the next string; false behind the last.</summary>
    public bool MoveNext()
    {
        if (_left == 0) return false;
        _left--;
        var bytes = (int)Unsafe.ReadUnaligned<ulong>(_next);
        Current = new ReadOnlySpan<byte>(_next + sizeof(ulong), bytes);
        _next += sizeof(ulong) + bytes;
        return true;
    }
}
