using TinyLora.Tokenization;

namespace TinyLora.Conversation;

/// <summary>A tokenizer as the generation of text uses it.</summary>
internal sealed class TokenizerText(Tokenizer tokenizer) : ITextTokens
{
    private readonly byte[] _token = new byte[tokenizer.MaxTokenBytes];
    private readonly List<(int Start, int End, int Token)> _found = [];
    private TokenStreamDecoder _decoder = new(tokenizer);

    public int MaxTextBytes => tokenizer.MaxTokenBytes + 4;

    public int MaxTokenCount(int utf8Length) => tokenizer.MaxTokenCount(utf8Length);

    public bool IsEndOfGeneration(int token) => IsKnown(token) && tokenizer.IsEndOfGeneration(token);

    public void BeginText() => _decoder = new TokenStreamDecoder(tokenizer);

    public int Append(int token, Span<byte> utf8) => IsKnown(token) ? _decoder.Append(token, utf8) : 0;

    public int Flush(Span<byte> utf8) => _decoder.Flush(utf8);

    public int Encode(PromptText prompt, Span<int> tokens)
    {
        var utf8 = prompt.Utf8;
        var count = tokenizer.Encode(utf8, tokens, special: true);
        return FindSpecial(prompt, tokens[..count]) ? count : EncodeApart(utf8, tokens);
    }

    /// <summary>
    /// Finds where in the text the special tokens are. True if all are the template's own, which they are unless a message spells one; if
    /// not, the template's own ones are left in _found.
    /// </summary>
    private bool FindSpecial(PromptText prompt, ReadOnlySpan<int> tokens)
    {
        _found.Clear();
        var utf8 = prompt.Utf8;
        int at = 0, range = 0;
        var all = true;
        foreach (var token in tokens)
        {
            if (!IsSpecial(token, out var length)) continue;
            var text = _token.AsSpan(0, length);
            var next = utf8[at..].IndexOf(text);
            if (next < 0) continue;
            var start = at + next;
            at = start + length;
            while (range < prompt.TemplateRanges.Count && prompt.TemplateRanges[range].End < at) range++;
            if (range < prompt.TemplateRanges.Count && prompt.TemplateRanges[range].Start <= start) _found.Add((start, at, token));
            else all = false;
        }
        return all;
    }

    /// <summary>Whether the token has a text only as a special one; the text is then in _token.</summary>
    private bool IsSpecial(int token, out int length)
    {
        length = 0;
        if (tokenizer.Decode(token, _token) > 0) return false;
        length = tokenizer.Decode(token, _token, special: true);
        return length > 0;
    }

    /// <summary>The weights may have more rows than there are tokens: padding, which has no text.</summary>
    private bool IsKnown(int token) => token < tokenizer.VocabularySize;

    private int EncodeApart(ReadOnlySpan<byte> utf8, Span<int> tokens)
    {
        int count = 0, at = 0;
        foreach (var (start, end, token) in _found)
        {
            if (start > at) count += tokenizer.Encode(utf8[at..start], tokens[count..]);
            tokens[count++] = token;
            at = end;
        }
        return at < utf8.Length ? count + tokenizer.Encode(utf8[at..], tokens[count..]) : count;
    }
}
