namespace TinyLora.Numerics;

/// <summary>
/// x[i] = d · q[i], 32 numbers in 34 bytes:
/// <code>
/// 0  d   half
/// 2  q   sbyte[32]
/// </code>
/// </summary>
internal static unsafe class Q8_0
{
    public const int Size = 32;
    public const int Bytes = 34;

    /// <param name="block">[Bytes]</param>
    /// <param name="values">[Size]</param>
    public static void Decode(byte* block, float* values)
    {
        var scale = Conversions.HalfAt(block);
        var numbers = (sbyte*)(block + 2);
        for (var i = 0; i < Size; i++) values[i] = scale * numbers[i];
    }
}
