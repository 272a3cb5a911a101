using System.Buffers;
using System.Globalization;
using System.Text;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Gathers the tokens of a file, checks them, and turns their texts from the file's spelling to what they mean.</summary>
internal sealed class VocabularyBuilder(string path)
{
    /// <summary>The longest real tokens have some hundred bytes; lengths are kept in 16 bits.</summary>
    private const int MaxTextBytes = ushort.MaxValue;

    // Ids may have holes, but a few bytes of file may not ask for much memory.
    private const int MaxHoles = 1 << 16;

    private readonly List<(int Id, int Start, ushort Length, TokenAttributes Attributes)> _entries = [];
    private byte[] _bytes = new byte[1 << 12];
    private int _used;
    private int _maxId = -1;

    /// <summary>One more than the highest id.</summary>
    public int Count => _maxId + 1;

    /// <exception cref="InvalidDataException">No such id or text can be.</exception>
    public void Add(long id, ReadOnlySpan<byte> text, TokenAttributes attributes)
    {
        if (id is < 0 or > int.MaxValue / 8) throw Bad($"token id {id}", "an id within the vocabulary");
        if (text.Length > MaxTextBytes) throw Bad($"token {id} of {text.Length} bytes", $"at most {MaxTextBytes}");
        if (text.Length > _bytes.Length - _used) Array.Resize(ref _bytes, checked(Math.Max(_used + text.Length, _bytes.Length * 2)));
        text.CopyTo(_bytes.AsSpan(_used));
        _entries.Add(((int)id, _used, (ushort)text.Length, attributes));
        _used += text.Length;
        _maxId = Math.Max(_maxId, (int)id);
    }

    /// <summary>Tokens whose plain texts are written in the letters of <see cref="ByteAlphabet"/>.</summary>
    /// <exception cref="InvalidDataException">Two tokens have one id or text, or there is none.</exception>
    public Vocabulary BuildByteLevel()
    {
        var texts = Lay(out var attributes);
        var plain = new TokenTable(texts, Count);
        var decoded = new byte[MaxTextBytes];
        for (var id = 0; id < Count; id++)
        {
            // A plain text in other letters is never met in a text, so it is not entered; it is decoded literally.
            if (!IsPlain(attributes[id]) || !ByteAlphabet.TryDecode(texts[id], decoded, out var length) || length == 0) continue;
            texts.Replace(id, decoded.AsSpan(0, length));
            plain.TryAdd(id, out _);
        }
        return new Vocabulary(path, Count, texts, attributes, plain, Added(texts, attributes));
    }

    /// <summary>Tokens of SentencePiece, in whose plain texts a ▁ means a space.</summary>
    /// <param name="bytes">Gets the token of each byte, or -1. [256]</param>
    /// <param name="neighbours">Gets the characters that stand side by side in some token.</param>
    /// <exception cref="InvalidDataException">Two tokens have one id or text, there is none, or a byte token is not like &lt;0x41&gt;.</exception>
    public Vocabulary BuildSentencePiece(Span<int> bytes, CharacterNeighbours neighbours)
    {
        bytes.Fill(-1);
        var texts = Lay(out var attributes);
        var plain = new TokenTable(texts, Count);
        var spaced = new byte[MaxTextBytes];
        for (var id = 0; id < Count; id++)
        {
            var text = texts[id];
            if ((attributes[id] & TokenAttributes.Byte) != 0)
            {
                if (!TryParseByte(text, out var value)) throw Bad($"byte token {id} '{Show(text)}'", "<0x00> to <0xFF>");
                bytes[value] = id;
                texts.Replace(id, [value]);
            }
            else if (IsPlain(attributes[id]) && !text.IsEmpty)
            {
                // All spaces of a text become ▁, so a token with a literal space is never met.
                var isMet = !text.Contains((byte)' ');
                texts.Replace(id, spaced.AsSpan(0, ReplaceSpaces(text, spaced)));
                if (isMet) plain.TryAdd(id, out _);
            }
        }
        var vocabulary = new Vocabulary(path, Count, texts, attributes, plain, Added(texts, attributes));
        AddCharacters(vocabulary, texts, plain, neighbours);
        return vocabulary;
    }

    /// <summary>Whether a text is that of a byte token, such as <c>&lt;0x0A&gt;</c>.</summary>
    public static bool TryParseByte(ReadOnlySpan<byte> text, out byte value)
    {
        value = 0;
        return text.Length == 6 && text.StartsWith("<0x"u8) && text[5] == (byte)'>' &&
            byte.TryParse(text[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    /// <summary>Writes a text with each ▁ as a space and returns its length.</summary>
    public static int ReplaceSpaces(ReadOnlySpan<byte> text, Span<byte> spaced)
    {
        var length = 0;
        while (!text.IsEmpty)
        {
            var isSpace = text.StartsWith(SentencePieceEncoder.Space);
            spaced[length++] = isSpace ? (byte)' ' : text[0];
            text = text[(isSpace ? SentencePieceEncoder.Space.Length : 1)..];
        }
        return length;
    }

    private static bool IsPlain(TokenAttributes attributes) => (attributes & (TokenAttributes.Normal | TokenAttributes.Unused)) != 0;

    private TokenTexts Lay(out TokenAttributes[] attributes)
    {
        if (_entries.Count == 0) throw Bad("no tokens", "a vocabulary");
        if (Count - _entries.Count > MaxHoles) throw Bad($"token id {_maxId} among {_entries.Count} tokens", "ids without such holes");
        var starts = new int[Count];
        var lengths = new ushort[Count];
        attributes = new TokenAttributes[Count];
        foreach (var entry in _entries)
        {
            if (attributes[entry.Id] != TokenAttributes.None) throw Bad($"token id {entry.Id} twice", "one text for an id");
            starts[entry.Id] = entry.Start;
            lengths[entry.Id] = entry.Length;
            attributes[entry.Id] = entry.Attributes;
        }
        var texts = new TokenTexts(_bytes, starts, lengths);
        var all = new TokenTable(texts, Count);
        for (var id = 0; id < Count; id++)
        {
            if (texts[id].IsEmpty || all.TryAdd(id, out var other)) continue;
            throw Bad($"token {id} with the text of token {other}, '{Show(texts[id])}'", "one token for a text");
        }
        return texts;
    }

    private TokenTable Added(TokenTexts texts, TokenAttributes[] attributes)
    {
        var table = new TokenTable(texts, 16);
        for (var id = 0; id < Count; id++)
        {
            if ((attributes[id] & TokenAttributes.Added) != 0 && !texts[id].IsEmpty) table.TryAdd(id, out _);
        }
        return table;
    }

    /// <summary>Makes symbols of the characters that only longer tokens have, and of the space; notes which stand side by side.</summary>
    private void AddCharacters(Vocabulary vocabulary, TokenTexts texts, TokenTable plain, CharacterNeighbours neighbours)
    {
        if (plain.Find(" "u8) < 0) plain.TryAdd(texts.Append(" "u8), out _);
        for (var id = 0; id < Count; id++)
        {
            if (!IsPlain(vocabulary.Attributes(id)) || plain.Find(texts[id]) != id) continue;
            var left = -1;
            for (var at = 0; at < texts[id].Length;)
            {
                if (Rune.DecodeFromUtf8(texts[id][at..], out _, out var length) != OperationStatus.Done) break;
                var symbol = plain.Find(texts[id].Slice(at, length));
                if (symbol < 0)
                {
                    symbol = texts.AppendPart(id, at, length);
                    plain.TryAdd(symbol, out _);
                }
                if (left >= 0) neighbours.Add(left, symbol);
                left = symbol;
                at += length;
            }
        }
    }

    private InvalidDataException Bad(string found, string expected) => Throw.BadFileException(path, "tokenizer", found, expected);

    private static string Show(ReadOnlySpan<byte> text) => Encoding.UTF8.GetString(text[..Math.Min(text.Length, 64)]);
}
