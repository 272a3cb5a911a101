using System.Runtime.InteropServices;
using System.Text;

namespace TinyLora.Conversation;

/// <summary>A prompt in UTF-8 in a buffer that grows and is used again, and where in it the template's own text lies.</summary>
internal sealed class PromptText
{
    private byte[] _bytes = new byte[1024];
    private int _length;
    private readonly List<(int Start, int End)> _templateRanges = [];

    public ReadOnlySpan<byte> Utf8 => _bytes.AsSpan(0, _length);

    /// <summary>Byte ranges of the template's own text, in order, none touching the next.</summary>
    public ReadOnlySpan<(int Start, int End)> TemplateRanges => CollectionsMarshal.AsSpan(_templateRanges);

    public void Clear()
    {
        _length = 0;
        _templateRanges.Clear();
    }

    public void Append(string text, bool isContent)
    {
        var size = Encoding.UTF8.GetMaxByteCount(text.Length);
        if (_bytes.Length - _length < size) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + size));
        var start = _length;
        _length += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(_length));
        if (isContent || _length == start) return;
        if (_templateRanges.Count > 0 && _templateRanges[^1].End == start) _templateRanges[^1] = (_templateRanges[^1].Start, _length);
        else _templateRanges.Add((start, _length));
    }
}
