using System.Buffers;
using System.Globalization;
using System.Text;

namespace TinyLora.Tokenization;

/// <summary>The classes of characters that pre-tokenizers tell apart: \p{L}, \p{N}, \s and the rest.</summary>
internal enum CharacterClass : byte
{
    Other,
    Letter,
    Number,
    Space,
}

/// <summary>Classes of characters in UTF-8.</summary>
internal static class CharacterClasses
{
    private static readonly CharacterClass[] s_ascii = Create();

    /// <summary>Class and length in bytes of the first character of a text that is not empty; an invalid byte is one of class Other.</summary>
    public static CharacterClass Next(ReadOnlySpan<byte> text, out int length)
    {
        var first = text[0];
        if (first < 128)
        {
            length = 1;
            return s_ascii[first];
        }
        if (Rune.DecodeFromUtf8(text, out var rune, out length) == OperationStatus.Done) return Of(rune);
        length = 1;
        return CharacterClass.Other;
    }

    private static CharacterClass Of(Rune rune)
    {
        if (Rune.IsWhiteSpace(rune)) return CharacterClass.Space;
        return Rune.GetUnicodeCategory(rune) switch
        {
            <= UnicodeCategory.OtherLetter => CharacterClass.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharacterClass.Number,
            _ => CharacterClass.Other,
        };
    }

    private static CharacterClass[] Create()
    {
        var classes = new CharacterClass[128];
        for (var c = 0; c < classes.Length; c++) classes[c] = Of(new Rune(c));
        return classes;
    }
}
