namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · s[j] · q[i] - dmin · m[j] with j = i / 32, 256 numbers in 144 bytes:
/// <code>
///  0  d      half
///  2  dmin   half
///  4  s, m   byte[12]: eight scales and eight minima of six bits
/// 16  q      byte[128]: byte 32p + k holds number 64p + k in its low nibble and 64p + 32 + k in the high one
/// </code>
/// The twelve bytes: bits 0 to 5 of byte j are s[j], of byte 4 + j m[j], for j below 4. Byte 8 + j holds the low nibbles of
/// s[4 + j] and, above, m[4 + j]; their two high bits are the high bits of bytes j and 4 + j.
/// </summary>
internal static unsafe class Q4_K
{
    public const int Size = 256;
    public const int Bytes = 144;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        var minimum = Conversions.HalfAt(block + 2);
        for (var j = 0; j < 8; j++)
        {
            var d = scale * ScaleOf(block + 4, j);
            var m = minimum * MinimumOf(block + 4, j);
            var numbers = block + 16 + j / 2 * 32;
            var shift = j % 2 * 4;
            for (var k = 0; k < 32; k++) values[32 * j + k] = d * (numbers[k] >> shift & 15) - m;
        }
    }

    /// <summary>s[<paramref name="index"/>] of the twelve bytes, 0 to 63.</summary>
    internal static int ScaleOf(byte* packed, int index) =>
        index < 4 ? packed[index] & 63 : packed[index + 4] & 15 | packed[index - 4] >> 6 << 4;

    /// <summary>m[<paramref name="index"/>] of the twelve bytes, 0 to 63.</summary>
    internal static int MinimumOf(byte* packed, int index) =>
        index < 4 ? packed[index + 4] & 63 : packed[index + 4] >> 4 | packed[index] >> 6 << 4;
}
