using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>Looks for NaN and infinity: the numbers whose exponent is all ones.</summary>
internal static unsafe class FiniteNumbers
{
    /// <summary>Index of the first number that is not finite, or -1.</summary>
    /// <param name="type">F32, F16 or BF16.</param>
    /// <param name="data">[count], aligned.</param>
    /// <param name="count">Numbers.</param>
    public static long FirstOther(ElementType type, byte* data, long count) => type switch
    {
        ElementType.F32 => FirstOther((uint*)data, count, 0x7f800000),
        ElementType.F16 => FirstOther((ushort*)data, count, 0x7c00),
        _ => FirstOther((ushort*)data, count, 0x7f80),
    };

    private static long FirstOther(uint* data, long count, uint exponent)
    {
        for (nint i = 0; i < count; i++)
            if ((data[i] & exponent) == exponent) return i;
        return -1;
    }

    private static long FirstOther(ushort* data, long count, uint exponent)
    {
        for (nint i = 0; i < count; i++)
            if ((data[i] & exponent) == exponent) return i;
        return -1;
    }
}
