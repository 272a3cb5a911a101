namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · (q[i] - 16), 32 numbers in 22 bytes:
/// <code>
/// 0  d   half
/// 2  h   uint: bit i is bit 4 of number i
/// 6  q   byte[16]: bits 0 to 3 of number i in the low nibble of byte i, of number i + 16 in the high one
/// </code>
/// </summary>
internal static unsafe class Q5_0
{
    public const int Size = 32;
    public const int Bytes = 22;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        for (var i = 0; i < 16; i++)
        {
            int pair = block[6 + i];
            values[i] = scale * ((pair & 15 | HighBit(block + 2, i)) - 16);
            values[i + 16] = scale * ((pair >> 4 | HighBit(block + 2, i + 16)) - 16);
        }
    }

    /// <summary>Bit <paramref name="index"/> of 32, as 0 or 16.</summary>
    internal static int HighBit(byte* bits, int index) => (bits[index / 8] >> index % 8 & 1) << 4;
}
