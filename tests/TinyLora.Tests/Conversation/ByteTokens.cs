using System.Text;
using TinyLora.Conversation;

namespace TinyLora.Tests.Conversation;

/// <summary>One token a byte, and three special ones: &lt;|im_start|&gt;, &lt;|im_end|&gt; (which ends an answer), and padding without text.</summary>
internal sealed class ByteTokens : ITextTokens
{
    public const int Start = 256, End = 257, Padding = 258, Count = 259;

    private readonly byte[] _waiting = new byte[4];
    private int _waitingCount;

    public int MaxTextBytes => 8;

    public int MaxTokenCount(int utf8Length) => utf8Length;

    public bool IsEndOfGeneration(int token) => token == End;

    public int Encode(PromptText prompt, Span<int> tokens)
    {
        var count = 0;
        for (var at = 0; at < prompt.Utf8.Length;)
        {
            var special = Special(prompt, at, out var length);
            tokens[count++] = special >= 0 ? special : prompt.Utf8[at];
            at += length;
        }
        return count;
    }

    public void BeginText() => _waitingCount = 0;

    public int Append(int token, Span<byte> utf8)
    {
        if (token > byte.MaxValue) return 0;
        _waiting[_waitingCount++] = (byte)token;
        var length = _waiting[0] switch { < 0x80 => 1, < 0xE0 => 2, < 0xF0 => 3, _ => 4 };
        if (_waitingCount < length) return 0;
        _waitingCount = 0;
        _waiting.AsSpan(0, length).CopyTo(utf8);
        return length;
    }

    public int Flush(Span<byte> utf8)
    {
        if (_waitingCount == 0) return 0;
        _waitingCount = 0;
        "\uFFFD"u8.CopyTo(utf8);
        return 3;
    }

    /// <summary>Tokens of plain text.</summary>
    public static int[] Text(string text) => Array.ConvertAll(Encoding.UTF8.GetBytes(text), each => (int)each);

    private static int Special(PromptText prompt, int at, out int length)
    {
        foreach (var (token, text) in new[] { (Start, "<|im_start|>"), (End, "<|im_end|>") })
        {
            length = text.Length;
            if (!prompt.Utf8[at..].StartsWith(Encoding.UTF8.GetBytes(text))) continue;
            var end = at + length;
            if (prompt.TemplateRanges.ToArray().Any(range => range.Start <= at && range.End >= end)) return token;
        }
        length = 1;
        return -1;
    }
}
