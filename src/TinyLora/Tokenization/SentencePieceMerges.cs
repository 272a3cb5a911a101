using System.Buffers;
using System.Text;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>
/// The merges of a SentencePiece vocabulary that has scores: any two neighbours whose texts together are a token may merge, the token of
/// the highest score first (Kudo and Richardson 2018).
/// </summary>
internal static class SentencePieceMerges
{
    /// <summary>SentencePiece makes tokens of 16 characters, some models have a few of a hundred bytes; work grows with the square.</summary>
    private const int MaxTextBytes = 512;

    /// <exception cref="InvalidDataException">A token is too long.</exception>
    public static BytePairMerges Create(Vocabulary vocabulary, ReadOnlySpan<float> scores)
    {
        var merges = new BytePairMerges(vocabulary.Count * 2);
        var lengths = new bool[MaxTextBytes + 1];
        for (var symbol = 0; symbol < vocabulary.SymbolCount; symbol++)
        {
            var length = vocabulary[symbol].Length;
            if (length <= MaxTextBytes) lengths[length] = true;
        }
        for (var token = 0; token < vocabulary.Count; token++)
        {
            var text = vocabulary[token];
            if (text.Length < 2 || vocabulary.FindPlain(text) != token) continue;
            if (text.Length > MaxTextBytes)
                throw Throw.BadFileException(vocabulary.Path, $"token {token}", $"{text.Length} bytes", $"at most {MaxTextBytes}");
            Split(vocabulary, merges, token, Rank(scores[token]), lengths);
        }
        return merges;
    }

    private static void Split(Vocabulary vocabulary, BytePairMerges merges, int token, uint rank, bool[] lengths)
    {
        var text = vocabulary[token];
        var at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out var length) == OperationStatus.Done && at + length < text.Length)
        {
            at += length;
            if (!lengths[at] || !lengths[text.Length - at]) continue;
            var left = vocabulary.FindPlain(text[..at]);
            if (left < 0) continue;
            var right = vocabulary.FindPlain(text[at..]);
            if (right >= 0) merges.Add(left, right, rank, token);
        }
    }

    /// <summary>A number that is the smaller the higher the score; equal for equal scores.</summary>
    private static uint Rank(float score)
    {
        // Adding zero makes -0 and 0 one. The bits of a positive float grow with it, those of a negative one fall.
        var bits = BitConverter.SingleToUInt32Bits(score + 0f);
        return (bits & 0x8000_0000) != 0 ? bits : 0x7FFF_FFFF - bits;
    }
}
