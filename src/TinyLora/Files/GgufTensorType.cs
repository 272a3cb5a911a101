using TinyLora.Numerics;

namespace TinyLora.Files;

/// <summary>A tensor type of GGUF: its name and the sizes of its blocks, also for types that this runtime does not compute with.</summary>
internal readonly record struct GgufTensorType(string Name, ElementType? Type, int BlockSize, int BlockBytes)
{
    /// <summary>The type with this number, or false: never given, or withdrawn (4, 5, 31 to 33, 36 to 38).</summary>
    public static bool TryGet(uint number, out GgufTensorType type)
    {
        type = number switch
        {
            0 => Of(ElementType.F32),
            1 => Of(ElementType.F16),
            2 => Of(ElementType.Q4_0),
            3 => Of(ElementType.Q4_1),
            6 => Of(ElementType.Q5_0),
            7 => Of(ElementType.Q5_1),
            8 => Of(ElementType.Q8_0),
            9 => new("Q8_1", null, 32, 36),
            10 => new("Q2_K", null, 256, 84),
            11 => new("Q3_K", null, 256, 110),
            12 => Of(ElementType.Q4_K),
            13 => Of(ElementType.Q5_K),
            14 => Of(ElementType.Q6_K),
            15 => new("Q8_K", null, 256, 292),
            16 => new("IQ2_XXS", null, 256, 66),
            17 => new("IQ2_XS", null, 256, 74),
            18 => new("IQ3_XXS", null, 256, 98),
            19 => new("IQ1_S", null, 256, 50),
            20 => new("IQ4_NL", null, 32, 18),
            21 => new("IQ3_S", null, 256, 110),
            22 => new("IQ2_S", null, 256, 82),
            23 => new("IQ4_XS", null, 256, 136),
            24 => new("I8", null, 1, 1),
            25 => new("I16", null, 1, 2),
            26 => new("I32", null, 1, 4),
            27 => new("I64", null, 1, 8),
            28 => new("F64", null, 1, 8),
            29 => new("IQ1_M", null, 256, 56),
            30 => Of(ElementType.BF16),
            34 => new("TQ1_0", null, 256, 54),
            35 => new("TQ2_0", null, 256, 66),
            39 => new("MXFP4", null, 32, 17),
            _ => default,
        };
        return type.BlockSize != 0;
    }

    /// <summary>The number of the type with this name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static uint NumberOf(string name)
    {
        for (var number = 0u; number < 64; number++)
            if (TryGet(number, out var type) && type.Name == name) return number;
        throw new ArgumentException($"GGUF has no type {name}.", nameof(name));
    }

    private static GgufTensorType Of(ElementType type) => new(type.ToString(), type, type.BlockSize(), type.BlockBytes());
}
