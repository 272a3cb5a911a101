using System.Buffers;
using System.Text;

namespace TinyLora.Tokenization;

/// <summary>UTF-8 that comes in pieces and may be broken.</summary>
internal static class Utf8Text
{
    /// <summary>Bytes of a text in which U+FFFD stands for what is no UTF-8.</summary>
    public static int RepairedLength(ReadOnlySpan<byte> text)
    {
        var length = 0;
        while (!text.IsEmpty)
        {
            Rune.DecodeFromUtf8(text, out var rune, out var consumed);
            length += rune.Utf8SequenceLength;
            text = text[consumed..];
        }
        return length;
    }

    /// <summary>The beginning of a character that is not complete yet.</summary>
    public struct Pending
    {
        private uint _bytes; // the first in the lowest byte
        private int _count;

        /// <summary>Takes one more byte and writes what is decided by it.</summary>
        public int Append(byte next, Span<byte> utf8)
        {
            Span<byte> sequence = [(byte)_bytes, (byte)(_bytes >> 8), (byte)(_bytes >> 16), 0];
            sequence[_count++] = next;
            var status = Rune.DecodeFromUtf8(sequence[.._count], out var rune, out var consumed);
            if (status == OperationStatus.NeedMoreData)
            {
                _bytes |= (uint)next << (8 * (_count - 1));
                return 0;
            }
            var taken = _count;
            _bytes = 0;
            _count = 0;
            var written = Write(rune, utf8);
            // A beginning that this byte does not continue: the byte itself is looked at anew.
            return consumed < taken ? written + Append(next, utf8[written..]) : written;
        }

        public int Flush(Span<byte> utf8)
        {
            if (_count == 0) return 0;
            _bytes = 0;
            _count = 0;
            return Write(Rune.ReplacementChar, utf8);
        }

        private static int Write(Rune rune, Span<byte> utf8)
        {
            if (rune.TryEncodeToUtf8(utf8, out var written)) return written;
            throw new ArgumentException($"The span has {utf8.Length} bytes left, the character {rune.Utf8SequenceLength}.", nameof(utf8));
        }
    }
}
