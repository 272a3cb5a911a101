namespace TinyLora.Tokenization;

/// <summary>Text to tokens and back, over UTF-8. After opening, no call allocates.</summary>
public sealed class Tokenizer
{
    /// <summary>Opens the tokenizer of a GGUF file (also one that holds only a vocabulary), of a Hugging Face folder, or a <c>tokenizer.json</c>.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or its tokenizer is not supported.</exception>
    public static Tokenizer Open(string path) => throw new NotImplementedException();

    public int VocabularySize => throw new NotImplementedException();
    /// <summary>Token that begins a text, or -1.</summary>
    public int BeginOfText => throw new NotImplementedException();
    /// <summary>Whether the file asks for <see cref="BeginOfText"/> before a text.</summary>
    public bool AddsBeginOfText => throw new NotImplementedException();
    /// <summary>Whether the token ends an answer (end of text, end of turn).</summary>
    public bool IsEndOfGeneration(int token) => throw new NotImplementedException();
    /// <summary>Id of a token by its exact text (also a special one), or -1.</summary>
    public int Find(ReadOnlySpan<byte> utf8) => throw new NotImplementedException();
    /// <summary>Tokens that <paramref name="utf8Length"/> bytes give at most.</summary>
    public int MaxTokenCount(int utf8Length) => throw new NotImplementedException();
    /// <summary>Writes the tokens of a text and returns how many.</summary>
    /// <param name="utf8">The text; invalid bytes are encoded as they are.</param>
    /// <param name="tokens">At least <see cref="MaxTokenCount"/> to be sure.</param>
    /// <param name="special">Whether special tokens are recognised in the text.</param>
    /// <param name="begin">Whether <see cref="BeginOfText"/> is put before it if the file asks for it.</param>
    /// <exception cref="ArgumentException"><paramref name="tokens"/> is too short.</exception>
    public int Encode(ReadOnlySpan<byte> utf8, Span<int> tokens, bool special = false, bool begin = false) => throw new NotImplementedException();
    /// <summary>The same for a string; for callers that may allocate.</summary>
    public int[] Encode(string text, bool special = false, bool begin = false) => throw new NotImplementedException();
    /// <summary>Bytes of the longest token.</summary>
    public int MaxTokenBytes => throw new NotImplementedException();
    /// <summary>Writes one token's bytes (they may be a part of a character) and returns how many; special tokens only if <paramref name="special"/>.</summary>
    public int Decode(int token, Span<byte> utf8, bool special = false) => throw new NotImplementedException();
    /// <summary>The text of tokens; for callers that may allocate. Drops the space that the tokenizer itself puts before a text.</summary>
    public string Decode(ReadOnlySpan<int> tokens, bool special = false) => throw new NotImplementedException();
}

/// <summary>Decodes a stream of tokens to whole UTF-8 characters: bytes of an unfinished character wait for the next token.</summary>
public struct TokenStreamDecoder
{
    public TokenStreamDecoder(Tokenizer tokenizer, bool special = false) => throw new NotImplementedException();
    /// <summary>Writes the characters that <paramref name="token"/> completes and returns their bytes; at least MaxTokenBytes + 4.</summary>
    public int Append(int token, Span<byte> utf8) => throw new NotImplementedException();
    /// <summary>Writes what is left at the end (an unfinished character becomes U+FFFD).</summary>
    public int Flush(Span<byte> utf8) => throw new NotImplementedException();
}
