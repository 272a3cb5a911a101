using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Emitting;

/// <summary>Byte offsets within a quantised row of activations, as TinyLora.Kernels.QuantizedRow lays it out.</summary>
internal readonly struct RowOffsets(KernelSize size)
{
    public string Scales => size.Of(Start, "scalesOffset");
    public string ScaledSums => size.Of(c => Start(c) + 4 * Padded(c), "scalesOffset + 4 * paddedBlocks");
    public string Sums => size.Of(c => Start(c) + 8 * Padded(c), "scalesOffset + 8 * paddedBlocks");
    public string HalfSums => size.Of(c => Start(c) + 12 * Padded(c), "scalesOffset + 12 * paddedBlocks");

    private static int Start(int columns) => (columns + 63) & ~63;

    private static int Padded(int columns) => (columns / 32 + 7) & ~7;
}
