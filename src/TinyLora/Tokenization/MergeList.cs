using System.Text;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Takes the merges of a file in their order, which is their rank, and checks them against the vocabulary.</summary>
internal sealed class MergeList(Vocabulary vocabulary, bool isByteLevel, int capacity)
{
    private byte[] _bytes = new byte[512];
    private uint _rank;

    public BytePairMerges Merges { get; } = new(capacity);

    /// <summary>Adds "left right".</summary>
    public void Add(ReadOnlySpan<byte> pair)
    {
        var space = pair.IndexOf((byte)' ');
        if (space < 0) throw Bad($"{Show(pair)} without a space");
        Add(pair[..space], pair[(space + 1)..]);
    }

    /// <exception cref="InvalidDataException">A side is empty, or they or what they give together is no token.</exception>
    public void Add(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        if (left.IsEmpty || right.IsEmpty) throw Bad($"{Show(left)} and {Show(right)}, one of them empty");
        if (_bytes.Length < left.Length + right.Length) _bytes = new byte[left.Length + right.Length];
        var leftLength = Decode(left, _bytes);
        var length = leftLength + Decode(right, _bytes.AsSpan(leftLength));
        var first = vocabulary.FindPlain(_bytes.AsSpan(0, leftLength));
        var second = vocabulary.FindPlain(_bytes.AsSpan(leftLength, length - leftLength));
        var merged = vocabulary.FindPlain(_bytes.AsSpan(0, length));
        if (IsToken(first) && IsToken(second) && IsToken(merged)) Merges.Add(first, second, _rank, merged);
        else Check(left, right, first, second, merged);
        _rank++;
    }

    public InvalidDataException Bad(string found) =>
        Throw.BadFileException(vocabulary.Path, "tokenizer", $"merge {_rank}: {found}", "two tokens that are one token together");

    private bool IsToken(int symbol) => symbol >= 0 && symbol < vocabulary.Count;

    private int Decode(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        if (!isByteLevel) return VocabularyBuilder.ReplaceSpaces(text, bytes);
        return ByteAlphabet.TryDecode(text, bytes, out var length) ? length : throw Bad($"{Show(text)}, not in the letters of bytes");
    }

    /// <summary>A merge with a control token is left out, as plain text shall never give one. Any other needs its tokens.</summary>
    private void Check(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, int first, int second, int merged)
    {
        byte[] both = [.. left, .. right];
        if ((IsToken(first) || vocabulary.FindAdded(left) >= 0) && (IsToken(second) || vocabulary.FindAdded(right) >= 0) &&
            (IsToken(merged) || vocabulary.FindAdded(both) >= 0))
        {
            return;
        }
        throw Bad($"{Show(left)} and {Show(right)}, of which one or both together are no token");
    }

    private static string Show(ReadOnlySpan<byte> text) => $"'{Encoding.UTF8.GetString(text)}'";
}
