using System.Buffers;
using System.Text;

namespace TinyLora.Tokenization;

/// <summary>Finds control and user-defined tokens as literal text: the first in the text, of those that begin there the longest.</summary>
internal sealed class AddedTokens
{
    private readonly Vocabulary _vocabulary;
    private readonly SearchValues<byte> _firstBytes;
    private readonly SearchValues<byte> _firstBytesAlways;
    private readonly int[]?[] _lengths = new int[]?[256]; // of the tokens that begin with a byte, falling

    public AddedTokens(Vocabulary vocabulary)
    {
        _vocabulary = vocabulary;
        var lengths = new SortedSet<int>?[256];
        var always = new HashSet<byte>();
        for (var token = 0; token < vocabulary.Count; token++)
        {
            var text = vocabulary[token];
            if (!vocabulary.IsAdded(token) || text.IsEmpty) continue;
            (lengths[text[0]] ??= []).Add(text.Length);
            if (IsAlways(token)) always.Add(text[0]);
            MinBytes = Math.Min(MinBytes, text.Length);
        }
        for (var b = 0; b < 256; b++) _lengths[b] = lengths[b] is { } set ? [.. set.Reverse()] : null;
        _firstBytes = SearchValues.Create([.. Enumerable.Range(0, 256).Where(b => _lengths[b] is not null).Select(b => (byte)b)]);
        _firstBytesAlways = SearchValues.Create([.. always]);
    }

    /// <summary>Bytes of the shortest one.</summary>
    public int MinBytes { get; } = int.MaxValue;

    /// <summary>The first token from <paramref name="start"/> on.</summary>
    /// <param name="text">The whole text.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="specialRanges">Byte ranges in which control tokens are recognised too: in order, none touching the next.</param>
    /// <param name="prefixed">Whether the text from <paramref name="start"/> on has a space put before it.</param>
    /// <param name="match">Where it is.</param>
    public bool TryFind(ReadOnlySpan<byte> text, int start, ReadOnlySpan<(int Start, int End)> specialRanges, bool prefixed, out AddedTokenMatch match)
    {
        var firstBytes = specialRanges.IsEmpty ? _firstBytesAlways : _firstBytes;
        for (var at = start; at < text.Length; at++)
        {
            var skipped = text[at..].IndexOfAny(firstBytes);
            if (skipped < 0) break;
            at += skipped;
            foreach (var length in _lengths[text[at]]!)
            {
                if (length > text.Length - at) continue;
                var token = _vocabulary.FindAdded(text.Slice(at, length));
                if (token < 0 || !(IsAlways(token) || Holds(specialRanges, at, at + length))) continue;
                if (TryMatch(text, start, at, at + length, token, prefixed, out match)) return true;
            }
        }
        match = default;
        return false;
    }

    private static bool Holds(ReadOnlySpan<(int Start, int End)> ranges, int start, int end)
    {
        int low = 0, high = ranges.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (ranges[middle].End < end) low = middle + 1;
            else if (ranges[middle].Start > start) high = middle - 1;
            else return true;
        }
        return false;
    }

    private bool IsAlways(int token) => (_vocabulary.Attributes(token) & TokenAttributes.UserDefined) != 0;

    private bool TryMatch(ReadOnlySpan<byte> text, int start, int from, int to, int token, bool prefixed, out AddedTokenMatch match)
    {
        match = default;
        var attributes = _vocabulary.Attributes(token);
        var takesPrefix = false;
        if ((attributes & TokenAttributes.AfterPrefix) != 0)
        {
            // Such a token's own text got the space prefix too, so it is met only behind a space: a real one or the prefix of the text.
            var before = text[start..from];
            if (before.IsEmpty && prefixed) takesPrefix = true;
            else if (before.EndsWith(" "u8)) from--;
            else if (before.EndsWith(SentencePieceEncoder.Space)) from -= SentencePieceEncoder.Space.Length;
            else return false;
        }
        if ((attributes & TokenAttributes.LeftStrip) != 0)
        {
            while (Rune.DecodeLastFromUtf8(text[start..from], out var rune, out var length) == OperationStatus.Done && Rune.IsWhiteSpace(rune))
                from -= length;
        }
        if ((attributes & TokenAttributes.RightStrip) != 0)
        {
            while (to < text.Length && CharacterClasses.Next(text[to..], out var length) == CharacterClass.Space) to += length;
        }
        match = new AddedTokenMatch(from, to, token, takesPrefix);
        return true;
    }
}
