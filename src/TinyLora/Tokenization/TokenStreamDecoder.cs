namespace TinyLora.Tokenization;

/// <summary>
/// Decodes a stream of tokens to whole UTF-8 characters: bytes of an unfinished character wait for the next token, and what can no longer
/// become a character is U+FFFD (one for each maximal beginning of a character, as the Unicode standard recommends).
/// </summary>
public struct TokenStreamDecoder
{
    private readonly Tokenizer _tokenizer;
    private readonly bool _special;
    private bool _afterPrefix;
    private Utf8Text.Pending _pending;

    /// <param name="tokenizer">Tokenizer of the tokens.</param>
    /// <param name="special">Whether control and unknown tokens are written too.</param>
    /// <param name="start">
    /// Whether the first token begins a text: then the space that the tokenizer itself puts there is dropped. An answer to a prompt goes on.
    /// </param>
    public TokenStreamDecoder(Tokenizer tokenizer, bool special = false, bool start = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        _tokenizer = tokenizer;
        _special = special;
        _afterPrefix = start;
    }

    /// <summary>Writes the characters that <paramref name="token"/> completes and returns their bytes.</summary>
    /// <param name="token">The next token.</param>
    /// <param name="utf8">At least <see cref="Tokenizer.MaxTokenBytes"/> + 4 to be sure.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    /// <exception cref="ArgumentException"><paramref name="utf8"/> is too short.</exception>
    public int Append(int token, Span<byte> utf8)
    {
        var written = 0;
        foreach (var b in _tokenizer.Bytes(token, _special, ref _afterPrefix)) written += _pending.Append(b, utf8[written..]);
        return written;
    }

    /// <summary>Writes what is left at the end (an unfinished character becomes U+FFFD).</summary>
    public int Flush(Span<byte> utf8) => _pending.Flush(utf8);
}
