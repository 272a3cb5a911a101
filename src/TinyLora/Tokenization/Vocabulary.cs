namespace TinyLora.Tokenization;

/// <summary>
/// All tokens of a tokenizer. A token's bytes are what it means in a text: a space for SentencePiece's ▁, the byte for a byte token, the
/// bytes themselves for the letters in which byte-level vocabularies write them.
/// </summary>
/// <param name="path">File it comes from, for messages.</param>
/// <param name="count">Number of tokens.</param>
/// <param name="texts">Their bytes, and behind them those of symbols that merging needs and that are no tokens.</param>
/// <param name="attributes">Kinds of the tokens. [count]</param>
/// <param name="plain">Tokens and symbols that are plain text.</param>
/// <param name="added">Control, user-defined and unknown tokens by their literal text.</param>
internal sealed class Vocabulary(string path, int count, TokenTexts texts, TokenAttributes[] attributes, TokenTable plain, TokenTable added)
{
    public string Path { get; } = path;

    /// <summary>Number of tokens.</summary>
    public int Count { get; } = count;

    /// <summary>Number of tokens and of symbols that are none.</summary>
    public int SymbolCount => texts.Count;

    /// <summary>Token of a text that the vocabulary cannot write, or -1.</summary>
    public int Unknown { get; set; } = -1;

    public ReadOnlySpan<byte> this[int symbol] => texts[symbol];

    public TokenAttributes Attributes(int token) => attributes[token];

    public bool IsAdded(int token) => (attributes[token] & TokenAttributes.Added) != 0;

    /// <summary>Token or symbol that is plain text, by its bytes, or -1.</summary>
    public int FindPlain(ReadOnlySpan<byte> text) => plain.Find(text);

    /// <summary>Control, user-defined or unknown token by its literal text, or -1.</summary>
    public int FindAdded(ReadOnlySpan<byte> text) => added.Find(text);

    /// <summary>Token with exactly this text, or -1.</summary>
    public int Find(ReadOnlySpan<byte> text)
    {
        var token = FindAdded(text);
        if (token >= 0) return token;
        token = FindPlain(text);
        return token < Count ? token : -1;
    }
}
