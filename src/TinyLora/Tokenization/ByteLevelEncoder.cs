using TinyLora.Numerics;

namespace TinyLora.Tokenization;

/// <summary>Byte-level BPE: the text is cut by the pre-tokenizer, each byte is a symbol, neighbours are merged within a piece.</summary>
internal sealed class ByteLevelEncoder : TokenEncoder
{
    private const int StackLength = 128;

    // Whether a token's own text gives this token again. Found out when it is first met; all threads find the same.
    private const byte GivesItself = 1;
    private const byte GivesOthers = 2;

    private readonly PreTokenizer _preTokenizer;
    private readonly bool _ignoreMerges;
    private readonly int[] _symbols = new int[256];
    private readonly byte[] _states;

    /// <param name="vocabulary">Tokens.</param>
    /// <param name="merges">Which of them merge.</param>
    /// <param name="preTokenizer">Cuts the text.</param>
    /// <param name="ignoreMerges">A piece that is a token as a whole is this token, whatever merging gives.</param>
    public ByteLevelEncoder(Vocabulary vocabulary, BytePairMerges merges, PreTokenizer preTokenizer, bool ignoreMerges)
        : base(vocabulary, merges)
    {
        _preTokenizer = preTokenizer;
        _ignoreMerges = ignoreMerges;
        _states = new byte[vocabulary.Count];
        for (var b = 0; b < 256; b++)
        {
            var token = vocabulary.FindPlain([(byte)b]);
            // A byte without a token is a symbol of its own that merges with nothing.
            _symbols[b] = token >= 0 ? token : vocabulary.Count + b;
        }
    }

    public override void Encode(ReadOnlySpan<byte> text, bool prefix, ref TokenWriter writer)
    {
        while (!text.IsEmpty)
        {
            var length = _preTokenizer.Next(text);
            EncodePiece(text[..length], ref writer);
            text = text[length..];
        }
    }

    private void EncodePiece(ReadOnlySpan<byte> piece, ref TokenWriter writer)
    {
        var whole = Vocabulary.FindPlain(piece);
        if (whole >= 0 && (_ignoreMerges || _states[whole] == GivesItself))
        {
            writer.Write(whole);
            return;
        }
        if (piece.Length <= StackLength)
        {
            Merge(piece, stackalloc int[piece.Length], whole, ref writer);
            return;
        }
        using var scratch = new NativeScratch<int>(piece.Length);
        Merge(piece, scratch.Span, whole, ref writer);
    }

    private void Merge(ReadOnlySpan<byte> piece, scoped Span<int> symbols, int whole, ref TokenWriter writer)
    {
        for (var i = 0; i < piece.Length; i++) symbols[i] = _symbols[piece[i]];
        var count = Merges.Merge(symbols);
        if (whole >= 0) _states[whole] = count == 1 && symbols[0] == whole ? GivesItself : GivesOthers;
        for (var i = 0; i < count; i++)
        {
            var token = symbols[i] < Vocabulary.Count ? symbols[i] : Vocabulary.Unknown;
            if (token >= 0) writer.Write(token);
        }
    }
}
