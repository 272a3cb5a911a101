using System.Buffers;
using System.Text;
using TinyLora.Numerics;

namespace TinyLora.Tokenization;

/// <summary>Unicode's composed form, NFC (Unicode Standard Annex 15), over UTF-8; bytes that are no UTF-8 stay as they are.</summary>
internal static class UnicodeComposition
{
    // Nothing below combines or decomposes in this form.
    private const int FirstAffected = 0x300;

    // All characters that matter lie below this one.
    private const int AffectedEnd = 0x30000;

    // Hangul syllables are composed of leading, vowel and trailing letters by arithmetic (Unicode Standard, 3.12).
    private const int SyllableFirst = 0xAC00;
    private const int LeadingFirst = 0x1100;
    private const int LeadingCount = 19;
    private const int VowelFirst = 0x1161;
    private const int VowelCount = 21;
    private const int TrailingBase = 0x11A7; // one before the first
    private const int TrailingCount = 28; // with none
    private const int SyllableCount = LeadingCount * VowelCount * TrailingCount;

    // A byte that is no UTF-8 goes through as this bit and the byte. The class of a character lies above its code point.
    private const uint RawByte = 0x80_0000;
    private const uint CodeMask = 0xFF_FFFF;
    private const int ClassShift = 24;

    private static readonly Tables s_tables = new();

    /// <summary>Whether no character needs a closer look. A text that fails may still be composed.</summary>
    public static bool IsSurelyComposed(ReadOnlySpan<byte> text)
    {
        while (true)
        {
            // Lead bytes from 0xCC on write characters from U+0300 on.
            var at = text.IndexOfAnyInRange((byte)0xCC, (byte)0xFF);
            if (at < 0) return true;
            text = text[at..];
            var status = Rune.DecodeFromUtf8(text, out var rune, out var length);
            if (status == OperationStatus.Done && s_tables.IsAffected(rune.Value)) return false;
            text = text[length..];
        }
    }

    /// <summary>Writes the composed form and returns its length, at most three times the text's.</summary>
    public static int Compose(ReadOnlySpan<byte> text, Span<byte> composed)
    {
        // Two bytes give at most three code points (U+0390).
        using var scratch = new NativeScratch<uint>(checked(text.Length * 2));
        var codes = scratch.Span[..Decompose(text, scratch.Span)];
        Sort(codes);
        codes = codes[..Compose(codes)];
        var length = 0;
        foreach (var code in codes)
        {
            var value = code & CodeMask;
            if ((value & RawByte) != 0) composed[length++] = (byte)value;
            else length += new Rune(value).EncodeToUtf8(composed[length..]);
        }
        return length;
    }

    private static int Decompose(ReadOnlySpan<byte> text, Span<uint> codes)
    {
        var count = 0;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out var rune, out var length) == OperationStatus.Done) Decompose(rune.Value, codes, ref count);
            else
            {
                foreach (var b in text[..length]) codes[count++] = RawByte | b;
            }
            text = text[length..];
        }
        return count;
    }

    private static void Decompose(int code, Span<uint> codes, ref int count)
    {
        var syllable = code - SyllableFirst;
        if ((uint)syllable < SyllableCount)
        {
            codes[count++] = (uint)(LeadingFirst + syllable / (VowelCount * TrailingCount));
            codes[count++] = (uint)(VowelFirst + syllable / TrailingCount % VowelCount);
            if (syllable % TrailingCount != 0) codes[count++] = (uint)(TrailingBase + syllable % TrailingCount);
            return;
        }
        if (!s_tables.TryDecompose(code, out var first, out var second))
        {
            codes[count++] = (uint)code | ((uint)s_tables.Class(code) << ClassShift);
            return;
        }
        Decompose(first, codes, ref count);
        if (second != 0) Decompose(second, codes, ref count);
    }

    /// <summary>Puts each run of combining characters in the order of their classes, those of one class in the order they have.</summary>
    private static void Sort(Span<uint> codes)
    {
        for (var at = 0; at < codes.Length;)
        {
            var end = at;
            while (end < codes.Length && codes[end] >> ClassShift != 0) end++;
            if (end - at > 1) SortRun(codes[at..end]);
            at = end + 1;
        }
    }

    private static void SortRun(Span<uint> run)
    {
        const int shortRun = 16;
        if (run.Length > shortRun)
        {
            SortLongRun(run);
            return;
        }
        for (var i = 1; i < run.Length; i++)
        {
            var code = run[i];
            var at = i;
            for (; at > 0 && run[at - 1] >> ClassShift > code >> ClassShift; at--) run[at] = run[at - 1];
            run[at] = code;
        }
    }

    /// <summary>Sorts by counting, as nobody forbids a text of a million accents.</summary>
    private static void SortLongRun(Span<uint> run)
    {
        Span<int> starts = stackalloc int[257];
        starts.Clear();
        foreach (var code in run) starts[(int)(code >> ClassShift) + 1]++;
        for (var i = 1; i < starts.Length; i++) starts[i] += starts[i - 1];
        using var sorted = new NativeScratch<uint>(run.Length);
        foreach (var code in run) sorted.Span[starts[(int)(code >> ClassShift)]++] = code;
        sorted.Span.CopyTo(run);
    }

    /// <summary>Composes each character with the last starter before it, unless one of its class or a higher one stands between.</summary>
    private static int Compose(Span<uint> codes)
    {
        var starter = -1;
        var count = 0;
        uint lastClass = 0;
        foreach (var code in codes)
        {
            var combiningClass = code >> ClassShift;
            var isBlocked = starter < 0 || (count - 1 > starter && lastClass >= combiningClass);
            if (!isBlocked && s_tables.TryCompose((int)(codes[starter] & CodeMask), (int)(code & CodeMask), out var composite))
            {
                codes[starter] = (uint)composite;
                continue;
            }
            if (combiningClass == 0) starter = count;
            lastClass = combiningClass;
            codes[count++] = code;
        }
        return count;
    }

    /// <summary>The data of <see cref="UnicodeData"/> made ready for look-ups.</summary>
    private sealed class Tables
    {
        private readonly PairTable _compositions = new(1024);
        private readonly PairTable _decompositions = new(2048);
        private readonly byte[] _classes = new byte[AffectedEnd];
        private readonly bool[] _affected = new bool[AffectedEnd];

        public Tables()
        {
            const int codeMask = 0x1F_FFFF;
            foreach (var entry in UnicodeData.Decompositions)
            {
                var code = (int)(entry >> 43);
                var first = (int)(entry >> 22) & codeMask;
                var second = (int)(entry >> 1) & codeMask;
                _decompositions.Add(code, 0, ((ulong)first << 32) | (uint)second);
                if ((entry & 1) != 0)
                {
                    _affected[code] = true;
                    continue;
                }
                _compositions.Add(first, second, (uint)code);
                _affected[second] = true;
            }
            foreach (var entry in UnicodeData.CombiningClasses)
            {
                for (var code = (int)(entry >> 32); code <= ((int)(entry >> 8) & CodeMask); code++)
                {
                    _classes[code] = (byte)entry;
                    _affected[code] = true;
                }
            }
            _affected.AsSpan(VowelFirst, VowelCount).Fill(true);
            _affected.AsSpan(TrailingBase + 1, TrailingCount - 1).Fill(true);
        }

        public bool IsAffected(int code) => code >= FirstAffected && code < AffectedEnd && _affected[code];

        public int Class(int code) => code < AffectedEnd ? _classes[code] : 0;

        public bool TryDecompose(int code, out int first, out int second)
        {
            var pair = _decompositions.Find(code, 0);
            first = (int)(pair >> 32);
            second = (int)(uint)pair;
            return pair != PairTable.None;
        }

        public bool TryCompose(int first, int second, out int composite)
        {
            var leading = first - LeadingFirst;
            var vowel = second - VowelFirst;
            if ((uint)leading < LeadingCount && (uint)vowel < VowelCount)
            {
                composite = SyllableFirst + (leading * VowelCount + vowel) * TrailingCount;
                return true;
            }
            var syllable = first - SyllableFirst;
            var trailing = second - TrailingBase;
            if ((uint)syllable < SyllableCount && syllable % TrailingCount == 0 && trailing is > 0 and < TrailingCount)
            {
                composite = first + trailing;
                return true;
            }
            var found = _compositions.Find(first, second);
            composite = (int)found;
            return found != PairTable.None;
        }
    }
}
