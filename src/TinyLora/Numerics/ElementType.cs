namespace TinyLora.Numerics;

/// <summary>How the numbers of a tensor are stored. The names are those of GGUF.</summary>
public enum ElementType : byte
{
    /// <summary>IEEE 754 binary32.</summary>
    F32,
    /// <summary>IEEE 754 binary16.</summary>
    F16,
    /// <summary>The upper half of a binary32.</summary>
    BF16,
    /// <summary>32 signed bytes and a half scale: 34 bytes.</summary>
    Q8_0,
    /// <summary>32 nibbles less 8 and a half scale: 18 bytes.</summary>
    Q4_0,
    /// <summary>32 nibbles, a half scale and a half minimum: 20 bytes.</summary>
    Q4_1,
    /// <summary>32 five-bit numbers less 16 and a half scale: 22 bytes.</summary>
    Q5_0,
    /// <summary>32 five-bit numbers, a half scale and a half minimum: 24 bytes.</summary>
    Q5_1,
    /// <summary>256 nibbles in eight sub-blocks with six-bit scales and minima: 144 bytes.</summary>
    Q4_K,
    /// <summary>256 five-bit numbers in eight sub-blocks with six-bit scales and minima: 176 bytes.</summary>
    Q5_K,
    /// <summary>256 six-bit numbers less 32 in sixteen sub-blocks with eight-bit scales: 210 bytes.</summary>
    Q6_K,
}

/// <summary>Sizes of the element types.</summary>
public static class ElementTypeExtensions
{
    /// <summary>Numbers in one block: 1 for the float types, 32 or 256 for the others.</summary>
    public static int BlockSize(this ElementType type) => type switch
    {
        ElementType.F32 or ElementType.F16 or ElementType.BF16 => 1,
        ElementType.Q4_K or ElementType.Q5_K or ElementType.Q6_K => 256,
        _ => 32,
    };

    /// <summary>Bytes of one block.</summary>
    public static int BlockBytes(this ElementType type) => type switch
    {
        ElementType.F32 => 4,
        ElementType.F16 or ElementType.BF16 => 2,
        ElementType.Q8_0 => 34,
        ElementType.Q4_0 => 18,
        ElementType.Q4_1 => 20,
        ElementType.Q5_0 => 22,
        ElementType.Q5_1 => 24,
        ElementType.Q4_K => 144,
        ElementType.Q5_K => 176,
        ElementType.Q6_K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "This is no element type."),
    };

    /// <summary>Whether the numbers are integers with a scale a block, so that the activations are quantised too.</summary>
    public static bool IsQuantized(this ElementType type) => type > ElementType.BF16;

    /// <summary>Bytes of <paramref name="count"/> numbers; <paramref name="count"/> is a whole number of blocks.</summary>
    public static long ByteCount(this ElementType type, long count) => checked(count / type.BlockSize() * type.BlockBytes());
}
