namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · q[i] + m, 32 numbers in 24 bytes:
/// <code>
/// 0  d   half
/// 2  m   half
/// 4  h   uint: bit i is bit 4 of number i
/// 8  q   byte[16]: bits 0 to 3 of number i in the low nibble of byte i, of number i + 16 in the high one
/// </code>
/// </summary>
internal static unsafe class Q5_1
{
    public const int Size = 32;
    public const int Bytes = 24;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        var minimum = Conversions.HalfAt(block + 2);
        for (var i = 0; i < 16; i++)
        {
            int pair = block[8 + i];
            values[i] = scale * (pair & 15 | Q5_0.HighBit(block + 4, i)) + minimum;
            values[i + 16] = scale * (pair >> 4 | Q5_0.HighBit(block + 4, i + 16)) + minimum;
        }
    }
}
