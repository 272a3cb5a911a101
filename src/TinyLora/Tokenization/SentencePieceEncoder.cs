using System.Buffers;
using System.Text;
using TinyLora.Numerics;

namespace TinyLora.Tokenization;

/// <summary>
/// SentencePiece BPE: each character is a symbol, neighbours are merged; what is no token is written byte by byte, or as the unknown token
/// where the vocabulary has no bytes (one for a row of such characters).
/// </summary>
internal sealed class SentencePieceEncoder : TokenEncoder
{
    private const int StackLength = 128;
    private const int NoSymbol = -1;

    private readonly CharacterNeighbours _neighbours;
    private readonly int[] _ascii = new int[128];
    private readonly int[] _bytes;
    private readonly bool _fuseUnknown;

    /// <param name="vocabulary">Tokens, and a symbol for each character of them.</param>
    /// <param name="merges">Which of them merge.</param>
    /// <param name="neighbours">Which characters stand side by side in tokens.</param>
    /// <param name="bytes">Token of each byte, or -1. [256]</param>
    /// <param name="fuseUnknown">Whether a row of characters that cannot be written gives one unknown token, else one for each.</param>
    public SentencePieceEncoder(Vocabulary vocabulary, BytePairMerges merges, CharacterNeighbours neighbours, int[] bytes, bool fuseUnknown)
        : base(vocabulary, merges)
    {
        _neighbours = neighbours;
        _bytes = bytes;
        _fuseUnknown = fuseUnknown;
        for (var c = 0; c < _ascii.Length; c++) _ascii[c] = vocabulary.FindPlain([(byte)c]);
    }

    /// <summary>The character that stands for a space, U+2581.</summary>
    public static ReadOnlySpan<byte> Space => "▁"u8;

    public override void Encode(ReadOnlySpan<byte> text, bool prefix, ref TokenWriter writer)
    {
        var unknown = false;
        if (prefix && (text.IsEmpty || !_neighbours.Contains(_ascii[' '], Symbol(text, out _))))
        {
            Write(_ascii[' '], Space, ref unknown, ref writer);
            prefix = false;
        }
        while (!text.IsEmpty)
        {
            var bytes = Stretch(text, prefix, out var count);
            EncodeStretch(text[..bytes], prefix, count, ref unknown, ref writer);
            text = text[bytes..];
            prefix = false;
        }
    }

    /// <summary>Bytes and symbols up to the first two characters that no token has side by side: nothing merges across it.</summary>
    private int Stretch(ReadOnlySpan<byte> text, bool prefix, out int count)
    {
        var symbol = Symbol(text, out var bytes);
        count = prefix ? 2 : 1;
        while (bytes < text.Length)
        {
            var next = Symbol(text[bytes..], out var length);
            if (!_neighbours.Contains(symbol, next)) break;
            symbol = next;
            bytes += length;
            count++;
        }
        return bytes;
    }

    private void EncodeStretch(ReadOnlySpan<byte> text, bool prefix, int count, ref bool unknown, ref TokenWriter writer)
    {
        if (count == 1)
        {
            var symbol = Symbol(text, out _);
            Write(symbol, symbol == _ascii[' '] ? Space : text, ref unknown, ref writer);
            return;
        }
        if (count <= StackLength)
        {
            Merge(text, prefix, stackalloc int[count], ref unknown, ref writer);
            return;
        }
        using var scratch = new NativeScratch<int>(count);
        Merge(text, prefix, scratch.Span, ref unknown, ref writer);
    }

    private void Merge(ReadOnlySpan<byte> text, bool prefix, scoped Span<int> symbols, ref bool unknown, ref TokenWriter writer)
    {
        var filled = 0;
        if (prefix) symbols[filled++] = _ascii[' '];
        for (; !text.IsEmpty; text = text[Filled(text, ref symbols[filled++])..]) { }
        var count = Merges.Merge(symbols);
        for (var i = 0; i < count; i++)
        {
            var symbol = symbols[i];
            Write(symbol, symbol == _ascii[' '] ? Space : Vocabulary[symbol], ref unknown, ref writer);
        }
    }

    private int Filled(ReadOnlySpan<byte> text, ref int symbol)
    {
        symbol = Symbol(text, out var length);
        return length;
    }

    /// <summary>Symbol of the first character, or <see cref="NoSymbol"/>; a byte that is no UTF-8 is a character.</summary>
    private int Symbol(ReadOnlySpan<byte> text, out int length)
    {
        length = 1;
        if (text[0] < 128) return _ascii[text[0]];
        if (Rune.DecodeFromUtf8(text, out _, out var bytes) != OperationStatus.Done) return NoSymbol;
        length = bytes;
        return text[..bytes].SequenceEqual(Space) ? _ascii[' '] : Vocabulary.FindPlain(text[..bytes]);
    }

    private void Write(int symbol, ReadOnlySpan<byte> text, ref bool unknown, ref TokenWriter writer)
    {
        if ((uint)symbol < (uint)Vocabulary.Count)
        {
            writer.Write(symbol);
            unknown = false;
            return;
        }
        foreach (var b in text)
        {
            if (_bytes[b] < 0)
            {
                if (Vocabulary.Unknown >= 0 && !(unknown && _fuseUnknown)) writer.Write(Vocabulary.Unknown);
                unknown = true;
                return;
            }
        }
        foreach (var b in text) writer.Write(_bytes[b]);
        unknown = false;
    }
}
