namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · s[j] · q[i] - dmin · m[j] with j = i / 32, 256 numbers in 176 bytes:
/// <code>
///  0  d      half
///  2  dmin   half
///  4  s, m   byte[12]: as in <see cref="Q4_K"/>
/// 16  h      byte[32]: bit j of byte k is bit 4 of number 32j + k
/// 48  q      byte[128]: bits 0 to 3; byte 32p + k holds those of number 64p + k in its low nibble, of 64p + 32 + k in the high one
/// </code>
/// </summary>
internal static unsafe class Q5_K
{
    public const int Size = 256;
    public const int Bytes = 176;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        var minimum = Conversions.HalfAt(block + 2);
        for (var j = 0; j < 8; j++)
        {
            var d = scale * Q4_K.ScaleOf(block + 4, j);
            var m = minimum * Q4_K.MinimumOf(block + 4, j);
            var numbers = block + 48 + j / 2 * 32;
            var shift = j % 2 * 4;
            for (var k = 0; k < 32; k++)
            {
                var number = numbers[k] >> shift & 15 | (block[16 + k] >> j & 1) << 4;
                values[32 * j + k] = d * number - m;
            }
        }
    }
}
