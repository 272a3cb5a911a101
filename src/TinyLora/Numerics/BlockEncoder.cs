namespace TinyLora.Numerics;

/// <summary>
/// Rounds float32 to a storage format: to the nearest, ties to even. A block's scale, and its minimum where it has one, are those of <see cref="BlockFit"/> (of Q8_0 from its largest number), are
/// rounded to a half first, and the numbers are then the nearest that these halves can give. The K types have an encoder of their own, <see cref="SuperBlockEncoder"/>.
/// </summary>
internal static unsafe class BlockEncoder
{
    private const int Size = 32;

    /// <param name="type">Any.</param>
    /// <param name="values">[<paramref name="count"/>]</param>
    /// <param name="blocks">[<c>type.ByteCount(count)</c>]</param>
    /// <param name="count">A whole number of blocks.</param>
    public static void Encode(ElementType type, float* values, byte* blocks, long count)
    {
        var (size, bytes) = (type.BlockSize(), type.BlockBytes());
        for (long i = 0; i < count; i += size, values += size, blocks += bytes)
        {
            switch (type)
            {
                case ElementType.F32: Write(blocks, BitConverter.SingleToUInt32Bits(*values), 4); break;
                case ElementType.F16: Write(blocks, Conversions.SingleToHalf(*values), 2); break;
                case ElementType.BF16: Write(blocks, ToBFloat16(*values), 2); break;
                case ElementType.Q8_0: Encode8(values, blocks); break;
                case ElementType.Q4_0: EncodeSymmetric(values, blocks, 4); break;
                case ElementType.Q5_0: EncodeSymmetric(values, blocks, 5); break;
                case ElementType.Q4_1: EncodeRange(values, blocks, 4); break;
                case ElementType.Q5_1: EncodeRange(values, blocks, 5); break;
                default: SuperBlockEncoder.Encode(type, values, blocks); break;
            }
        }
    }

    private static uint ToBFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? bits >> 16 | 0x40 : bits + 0x7fff + (bits >> 16 & 1) >> 16;
    }

    private static void Encode8(float* values, byte* block)
    {
        var largest = 0f;
        for (var i = 0; i < Size; i++) largest = Math.Max(largest, Math.Abs(values[i]));
        var scale = StoreHalf(block, largest / 127);
        for (var i = 0; i < Size; i++) block[2 + i] = (byte)(sbyte)Nearest(values[i], scale, -127, 127);
    }

    private static void EncodeSymmetric(float* values, byte* block, int bits)
    {
        var half = 1 << bits - 1;
        var scale = StoreHalf(block, BlockFit.Step(values, Size, -half, half - 1));
        Span<int> codes = stackalloc int[Size];
        BlockFit.Codes(values, scale, 0, -half, half - 1, codes);
        for (var i = 0; i < Size; i++) codes[i] += half;
        Pack(codes, block + 2, bits);
    }

    private static void EncodeRange(float* values, byte* block, int bits)
    {
        var top = (1 << bits) - 1;
        var (step, low) = BlockFit.Range(values, Size, top, most: float.MaxValue);
        var scale = StoreHalf(block, step);
        var minimum = StoreHalf(block + 2, low);
        Span<int> codes = stackalloc int[Size];
        BlockFit.Codes(values, scale, minimum, 0, top, codes);
        Pack(codes, block + 4, bits);
    }

    /// <summary>The fifth bits of all numbers, then number i in the low nibble of byte i and number i + 16 in the high one.</summary>
    private static void Pack(ReadOnlySpan<int> codes, byte* to, int bits)
    {
        if (bits == 5)
        {
            var high = 0u;
            for (var i = 0; i < Size; i++) high |= (uint)(codes[i] >> 4) << i;
            Write(to, high, 4);
            to += 4;
        }
        for (var i = 0; i < Size / 2; i++) to[i] = (byte)(codes[i] & 15 | (codes[i + 16] & 15) << 4);
    }

    private static int Nearest(float value, float scale, int least, int most) => scale == 0 ? Math.Clamp(0, least, most) : (int)Math.Clamp(MathF.Round(value / scale), least, most);

    private static float StoreHalf(byte* to, float value)
    {
        var half = Conversions.SingleToHalf(value);
        Write(to, half, 2);
        return Conversions.HalfToSingle(half);
    }

    private static void Write(byte* to, uint bits, int bytes)
    {
        for (var i = 0; i < bytes; i++) to[i] = (byte)(bits >> 8 * i);
    }
}
