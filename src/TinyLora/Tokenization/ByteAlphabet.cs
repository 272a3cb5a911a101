using System.Text;

namespace TinyLora.Tokenization;

/// <summary>
/// The letters in which byte-level vocabularies write bytes (GPT-2, Radford et al. 2019): printable Latin-1 stands for itself, every other
/// byte for a letter from U+0100 on, in order.
/// </summary>
internal static class ByteAlphabet
{
    private const int FirstLetter = 0x100;
    private static readonly short[] s_byteOf = Create();

    /// <summary>Writes the bytes that a text stands for; false if it has a character that is no such letter.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="bytes">At least as long as the text.</param>
    /// <param name="written">Bytes written.</param>
    public static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> bytes, out int written)
    {
        written = 0;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out var rune, out var consumed) != System.Buffers.OperationStatus.Done) return false;
            if (rune.Value >= s_byteOf.Length || s_byteOf[rune.Value] < 0) return false;
            bytes[written++] = (byte)s_byteOf[rune.Value];
            text = text[consumed..];
        }
        return true;
    }

    private static short[] Create()
    {
        var hidden = 0;
        for (var b = 0; b < 256; b++) hidden += IsItself(b) ? 0 : 1;
        var byteOf = new short[FirstLetter + hidden];
        Array.Fill(byteOf, (short)-1);
        var next = FirstLetter;
        for (var b = 0; b < 256; b++) byteOf[IsItself(b) ? b : next++] = (short)b;
        return byteOf;
    }

    // 0xAD is the soft hyphen, which is not seen.
    private static bool IsItself(int b) => b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
}
