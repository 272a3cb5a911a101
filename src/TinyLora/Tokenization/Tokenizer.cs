using System.Text;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Tokenization;

/// <summary>
/// Text to tokens and back, over UTF-8. After opening, no call over spans allocates. Any number of threads may use one tokenizer at once.
/// </summary>
public sealed class Tokenizer
{
    // Composing makes at most three times the bytes: of U+1D160 (4 bytes) three characters of 4.
    private const int MaxGrowth = 3;

    private readonly Vocabulary _vocabulary;
    private readonly TokenEncoder _encoder;
    private readonly AddedTokens _added;
    private readonly SpacePrefix _prefix;
    private readonly bool _composes;
    private readonly bool[] _ends;
    private readonly int _tokensPerByte;

    internal Tokenizer(TokenizerParts parts)
    {
        _vocabulary = parts.Vocabulary;
        _encoder = parts.Encoder;
        _prefix = parts.Prefix;
        _composes = parts.Composes;
        _added = new AddedTokens(_vocabulary);
        // SentencePiece without a token for the space writes the three bytes of ▁.
        _tokensPerByte = _composes || (_encoder is SentencePieceEncoder && _vocabulary.Find(" "u8) < 0) ? MaxGrowth : 1;
        Kind = parts.Kind;
        BeginOfText = parts.BeginOfText;
        AddsBeginOfText = parts.AddsBeginOfText && BeginOfText >= 0;
        _ends = EndOfGeneration.Of(_vocabulary, parts.EndOfGeneration);
        for (var token = 0; token < _vocabulary.Count; token++)
            MaxTokenBytes = Math.Max(MaxTokenBytes, Utf8Text.RepairedLength(_vocabulary[token]));
    }

    /// <summary>Number of tokens.</summary>
    public int VocabularySize => _vocabulary.Count;

    /// <summary>Token that begins a text, or -1.</summary>
    public int BeginOfText { get; }

    /// <summary>Whether the file asks for <see cref="BeginOfText"/> before a text.</summary>
    public bool AddsBeginOfText { get; }

    /// <summary>Bytes of the longest token, counting three (U+FFFD) for each byte of it that is no UTF-8.</summary>
    public int MaxTokenBytes { get; } = 1;

    /// <summary>Kind in words, such as "byte-level BPE (qwen2)".</summary>
    internal string Kind { get; }

    private bool EachHasPrefix => _prefix is SpacePrefix.Each or SpacePrefix.EachBare;

    /// <summary>
    /// Opens the tokenizer of a GGUF file (also one that holds only a vocabulary), of a Hugging Face folder, or a <c>tokenizer.json</c>, with
    /// what <c>tokenizer_config.json</c>, <c>generation_config.json</c> and <c>config.json</c> beside it say of its tokens. The content
    /// decides which it is.
    /// </summary>
    /// <exception cref="InvalidDataException">The file is damaged or its tokenizer is not supported.</exception>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    public static Tokenizer Open(string path) => new(TokenizerFile.Read(path));

    /// <summary>The tokenizer of a GGUF file that is open; it takes what it needs, and the file may be closed afterwards.</summary>
    /// <exception cref="InvalidDataException">The metadata are damaged or their tokenizer is not supported.</exception>
    internal static Tokenizer FromGguf(GgufFile file) => new(GgufTokenizer.Read(file));

    /// <summary>Whether the token ends an answer (end of text, end of turn).</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public bool IsEndOfGeneration(int token)
    {
        ThrowIfNoToken(token);
        return _ends[token];
    }

    /// <summary>Id of a token by its exact text (also a special one), or -1. The text of a plain token is what it decodes to.</summary>
    public int Find(ReadOnlySpan<byte> utf8) => _vocabulary.Find(utf8);

    /// <summary>Tokens that <paramref name="utf8Length"/> bytes give at most, with one that begins the text.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative, or the text too long to count its tokens.</exception>
    public int MaxTokenCount(int utf8Length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(utf8Length);
        // Text after each special token may get a space of its own.
        var prefixes = EachHasPrefix ? utf8Length / _added.MinBytes + 1L : 1;
        var count = (utf8Length + prefixes) * _tokensPerByte + 1;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, int.MaxValue, nameof(utf8Length));
        return (int)count;
    }

    /// <summary>Writes the tokens of a text and returns how many.</summary>
    /// <param name="utf8">The text; invalid bytes are encoded as they are.</param>
    /// <param name="tokens">At least <see cref="MaxTokenCount"/> to be sure.</param>
    /// <param name="special">Whether control tokens are recognised in the text. User-defined ones always are.</param>
    /// <param name="begin">Whether <see cref="BeginOfText"/> is put before it if the file asks for it.</param>
    /// <exception cref="ArgumentException"><paramref name="tokens"/> is too short.</exception>
    public int Encode(ReadOnlySpan<byte> utf8, Span<int> tokens, bool special = false, bool begin = false)
    {
        ReadOnlySpan<(int, int)> all = [(0, utf8.Length)];
        return Encode(utf8, tokens, special ? all : [], begin);
    }

    /// <summary>
    /// The same with control tokens recognised in parts of the text only: in what a chat template writes, and not in what a user typed. The tokens are
    /// those of the whole text, also over the borders of the ranges.
    /// </summary>
    /// <param name="utf8">The text; invalid bytes are encoded as they are.</param>
    /// <param name="tokens">At least <see cref="MaxTokenCount"/> to be sure.</param>
    /// <param name="specialRanges">Byte ranges in which control tokens are recognised: in order, none touching the next.</param>
    /// <param name="begin">Whether <see cref="BeginOfText"/> is put before it if the file asks for it.</param>
    /// <exception cref="ArgumentException"><paramref name="tokens"/> is too short.</exception>
    public int Encode(ReadOnlySpan<byte> utf8, Span<int> tokens, ReadOnlySpan<(int Start, int End)> specialRanges, bool begin = false)
    {
        var writer = new TokenWriter(tokens);
        if (begin && AddsBeginOfText) writer.Write(BeginOfText);
        var start = 0;
        var prefix = _prefix == SpacePrefix.Each || (_prefix != SpacePrefix.None && !StartsWithSpace(utf8));
        while (_added.TryFind(utf8, start, specialRanges, prefix, out var match))
        {
            var afterPrefix = (_vocabulary.Attributes(match.Token) & TokenAttributes.AfterPrefix) != 0;
            // Behind the prefix the text goes on: what lies before such a token is encoded even if that is the prefix alone.
            if (match.Start > start || (afterPrefix && prefix && !match.TakesPrefix))
                EncodeText(utf8[start..match.Start], prefix, ref writer);
            writer.Write(match.Token);
            start = match.End;
            prefix = EachHasPrefix && !afterPrefix && (_prefix == SpacePrefix.Each || !StartsWithSpace(utf8[start..]));
        }
        if (start < utf8.Length) EncodeText(utf8[start..], prefix, ref writer);
        return writer.Count;
    }

    /// <summary>The same for a string; for callers that may allocate.</summary>
    public int[] Encode(string text, bool special = false, bool begin = false)
    {
        ArgumentNullException.ThrowIfNull(text);
        var utf8 = Encoding.UTF8.GetBytes(text);
        using var scratch = new NativeScratch<int>(MaxTokenCount(utf8.Length));
        var count = Encode(utf8, scratch.Span, special, begin);
        return scratch.Span[..count].ToArray();
    }

    /// <summary>
    /// Writes one token's bytes (they may be a part of a character) and returns how many; control and unknown tokens only if
    /// <paramref name="special"/>.
    /// </summary>
    /// <param name="token">The token.</param>
    /// <param name="utf8">At least <see cref="MaxTokenBytes"/> to be sure.</param>
    /// <param name="special">Whether a control or unknown token has bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    /// <exception cref="ArgumentException"><paramref name="utf8"/> is too short.</exception>
    public int Decode(int token, Span<byte> utf8, bool special = false)
    {
        var bytes = Bytes(token, special);
        if (!bytes.TryCopyTo(utf8))
            throw new ArgumentException($"The span has {utf8.Length} bytes, token {token} {bytes.Length}.", nameof(utf8));
        return bytes.Length;
    }

    /// <summary>The text of tokens; for callers that may allocate. Drops the spaces that the tokenizer itself puts before text.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public string Decode(ReadOnlySpan<int> tokens, bool special = false)
    {
        var decoder = new TokenStreamDecoder(this, special, start: true);
        var text = new StringBuilder();
        Span<byte> buffer = MaxTokenBytes <= 1024 ? stackalloc byte[MaxTokenBytes + 4] : new byte[MaxTokenBytes + 4];
        foreach (var token in tokens) text.Append(Encoding.UTF8.GetString(buffer[..decoder.Append(token, buffer)]));
        text.Append(Encoding.UTF8.GetString(buffer[..decoder.Flush(buffer)]));
        return text.ToString();
    }

    /// <summary>Bytes of a token where it stands in a text.</summary>
    /// <param name="token">The token.</param>
    /// <param name="special">Whether a control or unknown token has bytes.</param>
    /// <param name="afterPrefix">Whether the next plain text has a space that was put before it; kept from token to token.</param>
    internal ReadOnlySpan<byte> Bytes(int token, bool special, ref bool afterPrefix)
    {
        var bytes = Bytes(token, special);
        var attributes = _vocabulary.Attributes(token);
        if ((attributes & (TokenAttributes.Control | TokenAttributes.UserDefined)) != 0)
        {
            // One that is recognised behind the prefix has used it up, unless it is not seen: then the text begins after it.
            if ((attributes & TokenAttributes.AfterPrefix) != 0) afterPrefix &= !special;
            else if (EachHasPrefix) afterPrefix = true;
            return bytes;
        }
        if (!afterPrefix) return bytes;
        afterPrefix = false;
        return _prefix != SpacePrefix.None && bytes.StartsWith(" "u8) ? bytes[1..] : bytes;
    }

    private static bool StartsWithSpace(ReadOnlySpan<byte> text) => text.StartsWith(" "u8) || text.StartsWith(SentencePieceEncoder.Space);

    private ReadOnlySpan<byte> Bytes(int token, bool special)
    {
        ThrowIfNoToken(token);
        var hidden = TokenAttributes.Control | TokenAttributes.Unknown | TokenAttributes.Unused;
        return special || (_vocabulary.Attributes(token) & hidden) == 0 ? _vocabulary[token] : default;
    }

    private void EncodeText(ReadOnlySpan<byte> text, bool prefix, ref TokenWriter writer)
    {
        if (!_composes || UnicodeComposition.IsSurelyComposed(text))
        {
            _encoder.Encode(text, prefix, ref writer);
            return;
        }
        using var scratch = new NativeScratch<byte>(checked(text.Length * MaxGrowth));
        var length = UnicodeComposition.Compose(text, scratch.Span);
        _encoder.Encode(scratch.Span[..length], prefix, ref writer);
    }

    private void ThrowIfNoToken(int token)
    {
        if ((uint)token >= (uint)VocabularySize)
            throw new ArgumentOutOfRangeException(nameof(token), token, $"The vocabulary has {VocabularySize} tokens.");
    }
}
