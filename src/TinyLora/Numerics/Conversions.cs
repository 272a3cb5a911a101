namespace TinyLora.Numerics;

/// <summary>
/// Exact conversions between storage formats and float32, one number or block at a time. They are plain, to be the oracle of the
/// kernels; products of a half scale, a small integer scale and a quantised number are exact in float32, and adding a minimum rounds
/// once, so that their order does not matter.
/// </summary>
public static unsafe class Conversions
{
    /// <summary>Decodes numbers to float32.</summary>
    /// <param name="type">How <paramref name="blocks"/> are stored.</param>
    /// <param name="blocks">[<c>type.ByteCount(count)</c>], not necessarily aligned.</param>
    /// <param name="values">[<paramref name="count"/>]</param>
    /// <param name="count">A whole number of blocks.</param>
    /// <exception cref="ArgumentException"><paramref name="count"/> is negative or not a whole number of blocks.</exception>
    public static void Decode(ElementType type, byte* blocks, float* values, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var size = type.BlockSize();
        if (count % size != 0) throw new ArgumentException($"{count} is not a multiple of {size} ({type}).", nameof(count));
        var bytes = type.BlockBytes();
        for (long i = 0; i < count; i += size, blocks += bytes, values += size) DecodeBlock(type, blocks, values);
    }

    /// <summary>Decodes one block.</summary>
    internal static void DecodeBlock(ElementType type, byte* block, float* values)
    {
        switch (type)
        {
            case ElementType.F32: *values = BitConverter.UInt32BitsToSingle(block[0] | (uint)block[1] << 8 | (uint)block[2] << 16 | (uint)block[3] << 24); break;
            case ElementType.F16: *values = HalfAt(block); break;
            case ElementType.BF16: *values = BFloat16ToSingle((ushort)(block[0] | block[1] << 8)); break;
            case ElementType.Q8_0: Q8_0.Decode(block, values); break;
            case ElementType.Q4_0: Q4_0.Decode(block, values); break;
            case ElementType.Q4_1: Q4_1.Decode(block, values); break;
            case ElementType.Q5_0: Q5_0.Decode(block, values); break;
            case ElementType.Q5_1: Q5_1.Decode(block, values); break;
            case ElementType.Q4_K: Q4_K.Decode(block, values); break;
            case ElementType.Q5_K: Q5_K.Decode(block, values); break;
            case ElementType.Q6_K: Q6_K.Decode(block, values); break;
            default: throw new ArgumentOutOfRangeException(nameof(type), type, "This is no element type.");
        }
    }

    /// <summary>binary16 to binary32, exactly; NaNs become quiet and keep their payload.</summary>
    public static float HalfToSingle(ushort half)
    {
        var sign = (uint)(half & 0x8000) << 16;
        var exponent = half >> 10 & 0x1f;
        var fraction = (uint)half & 0x3ff;
        if (exponent == 0)
        {
            // 2⁻²⁴ is the smallest subnormal; the product of two exact numbers below 2¹¹ is exact.
            var magnitude = fraction * (1f / (1 << 24));
            return BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(magnitude) | sign);
        }
        if (exponent == 0x1f) return BitConverter.UInt32BitsToSingle(sign | 0x7f800000 | (fraction == 0 ? 0 : 0x400000 | fraction << 13));
        return BitConverter.UInt32BitsToSingle(sign | (uint)(exponent - 15 + 127) << 23 | fraction << 13);
    }

    /// <summary>The upper half of a binary32 to the whole, exactly.</summary>
    public static float BFloat16ToSingle(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);

    /// <summary>binary32 to binary16, to the nearest, ties to even; beyond 65504 (65520 and above) infinity.</summary>
    public static ushort SingleToHalf(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        var sign = bits >> 16 & 0x8000;
        var magnitude = bits & 0x7fffffff;
        if (magnitude > 0x7f800000) return (ushort)(sign | 0x7e00 | magnitude >> 13 & 0x3ff);
        if (magnitude >= 0x477ff000) return (ushort)(sign | 0x7c00); // 65520, half-way to 65536
        if (magnitude < 0x38800000)
        {
            // Below 2⁻¹⁴: adding 0.5 leaves a float whose last place is 2⁻²⁴, rounded by the addition itself.
            var rounded = BitConverter.UInt32BitsToSingle(magnitude) + 0.5f;
            return (ushort)(sign | BitConverter.SingleToUInt32Bits(rounded) - 0x3f000000);
        }
        // 112 is the difference of the biases; half a place less one, and the place's own last bit for ties to even.
        var place = magnitude - (112u << 23);
        return (ushort)(sign | place + 0xfff + (place >> 13 & 1) >> 13);
    }

    /// <summary>The binary16 at an address that need not be aligned.</summary>
    internal static float HalfAt(byte* address) => HalfToSingle((ushort)(address[0] | address[1] << 8));
}
