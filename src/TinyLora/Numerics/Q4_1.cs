namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · q[i] + m, 32 numbers in 20 bytes:
/// <code>
/// 0  d   half
/// 2  m   half
/// 4  q   byte[16]: number i in the low nibble of byte i, number i + 16 in the high one
/// </code>
/// </summary>
internal static unsafe class Q4_1
{
    public const int Size = 32;
    public const int Bytes = 20;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        var minimum = Conversions.HalfAt(block + 2);
        for (var i = 0; i < 16; i++)
        {
            int pair = block[4 + i];
            values[i] = scale * (pair & 15) + minimum;
            values[i + 16] = scale * (pair >> 4) + minimum;
        }
    }
}
