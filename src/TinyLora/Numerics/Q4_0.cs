namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · (q[i] - 8), 32 numbers in 18 bytes:
/// <code>
/// 0  d   half
/// 2  q   byte[16]: number i in the low nibble of byte i, number i + 16 in the high one
/// </code>
/// </summary>
internal static unsafe class Q4_0
{
    public const int Size = 32;
    public const int Bytes = 18;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        for (var i = 0; i < 16; i++)
        {
            int pair = block[2 + i];
            values[i] = scale * ((pair & 15) - 8);
            values[i + 16] = scale * ((pair >> 4) - 8);
        }
    }
}
