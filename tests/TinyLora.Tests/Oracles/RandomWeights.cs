using TinyLora.Numerics;

namespace TinyLora.Tests.Oracles;

/// <summary>Random rows of any format: random integers under moderate half scales, so that no product overflows.</summary>
internal static unsafe class RandomWeights
{
    public static GuardedMemory Make(ElementType type, int rows, int columns, Random random, bool largestFirst = false)
    {
        var memory = new GuardedMemory(type.ByteCount((long)rows * columns));
        if (type == ElementType.F32)
        {
            for (long i = 0; i < (long)rows * columns; i++) ((float*)memory.Pointer)[i] = (float)(random.NextDouble() * 2 - 1);
            return memory;
        }
        random.NextBytes(memory.Span);
        // The largest integers of every unsigned format.
        if (largestFirst && type.IsQuantized()) memory.Span[..(int)type.ByteCount(columns)].Fill(0xFF);
        foreach (var offset in HalfOffsets(type))
            for (var at = offset; at < memory.Bytes; at += type.BlockBytes())
                *(ushort*)(memory.Pointer + at) = type == ElementType.BF16
                    ? (ushort)(BitConverter.SingleToUInt32Bits((float)(random.NextDouble() - 0.5)) >> 16)
                    : BitConverter.HalfToUInt16Bits((Half)((random.NextDouble() - 0.5) * 0.1));
        return memory;
    }

    private static int[] HalfOffsets(ElementType type) => type switch
    {
        ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q4_K or ElementType.Q5_K => [0, 2],
        ElementType.Q6_K => [208],
        _ => [0],
    };
}
