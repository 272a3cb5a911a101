namespace TinyLora.Generators.Specs;

/// <summary>How the numbers of a matrix are stored; the names are those of TinyLora.Numerics.ElementType.</summary>
internal enum WeightFormat : byte
{
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q4_K,
    Q5_K,
    Q6_K,
}

/// <summary>Sizes of the weight formats.</summary>
internal static class WeightFormats
{
    /// <summary>Numbers in one block: 1 for the float formats, 32 or 256 for the others.</summary>
    public static int BlockSize(this WeightFormat format) => format switch
    {
        WeightFormat.F32 or WeightFormat.F16 or WeightFormat.BF16 => 1,
        WeightFormat.Q4_K or WeightFormat.Q5_K or WeightFormat.Q6_K => 256,
        _ => 32,
    };

    /// <summary>Bytes of one block.</summary>
    public static int BlockBytes(this WeightFormat format) => format switch
    {
        WeightFormat.F32 => 4,
        WeightFormat.F16 or WeightFormat.BF16 => 2,
        WeightFormat.Q8_0 => 34,
        WeightFormat.Q4_0 => 18,
        WeightFormat.Q4_1 => 20,
        WeightFormat.Q5_0 => 22,
        WeightFormat.Q5_1 => 24,
        WeightFormat.Q4_K => 144,
        WeightFormat.Q5_K => 176,
        WeightFormat.Q6_K => 210,
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "This is no weight format."),
    };

    /// <summary>Whether the numbers are integers with a scale a block, so that the activations are quantised too.</summary>
    public static bool IsQuantized(this WeightFormat format) => format > WeightFormat.BF16;

    /// <summary>Whether blocks stand in groups of eight that share two half scales.</summary>
    public static bool IsSuperBlock(this WeightFormat format) => format >= WeightFormat.Q4_K;

    /// <summary>Whether a block adds a minimum to each of its numbers.</summary>
    public static bool HasMinimum(this WeightFormat format) =>
        format is WeightFormat.Q4_1 or WeightFormat.Q5_1 or WeightFormat.Q4_K or WeightFormat.Q5_K;

    /// <summary>The format of exactly this name; false for any other text.</summary>
    public static bool TryParse(string name, out WeightFormat format) =>
        Enum.TryParse(name, out format) && format.ToString() == name;
}
