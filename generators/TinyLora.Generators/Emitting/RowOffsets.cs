using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Emitting;

/// <summary>Byte offsets within a quantised row of activations, as TinyLora.Kernels.QuantizedRow lays it out.</summary>
internal readonly struct RowOffsets(KernelSize size)
{
    /// <summary>What a kernel whose width is a parameter computes first.</summary>
    public static IEnumerable<string> Prologue =>
    [
        "var paddedBlocks = columns / 32 + 7 & ~7;",
        "var multipliersOffset = columns + 63 & ~63;",
        "var scalesOffset = multipliersOffset + 32 * paddedBlocks;",
    ];

    public string Multipliers => size.Of(Start, "multipliersOffset");
    public string Scales => size.Of(c => Start(c) + 32 * Padded(c), "scalesOffset");
    public string ScaledSums => size.Of(c => Start(c) + 36 * Padded(c), "scalesOffset + 4 * paddedBlocks");
    public string Sums => size.Of(c => Start(c) + 40 * Padded(c), "scalesOffset + 8 * paddedBlocks");
    public string HalfSums => size.Of(c => Start(c) + 44 * Padded(c), "scalesOffset + 12 * paddedBlocks");

    /// <summary>Bytes of a row.</summary>
    public static int Bytes(int columns) => (Start(columns) + 52 * Padded(columns) + 63) & ~63;

    private static int Start(int columns) => (columns + 63) & ~63;

    private static int Padded(int columns) => (columns / 32 + 7) & ~7;
}
