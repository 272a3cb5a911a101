using TinyLora.Generators.InstructionSets;

namespace TinyLora.Generators.Planning;

/// <summary>How many input rows a mat-mat tile takes at once: a pure function of the registers.</summary>
internal static class TilePlan
{
    /// <summary>Input rows that a panel kernel packs at once, a multiple of every tile's width: a large prompt's stay in a core's cache, and unpacking a panel again is little beside as many products.</summary>
    public const int PackedRows = 128;

    /// <summary>Tile widths of a panel kernel, widest first, the last 1.</summary>
    /// <remarks>
    /// On x64 eight tokens share what splitting a block's nibbles takes; the float sums that 16 registers cannot hold are touched once a block only.
    /// ARM holds two parts a token and eight bytes vectors of activations: n = 4. A pair takes little longer than one alone: its weights are loaded once.
    /// </remarks>
    public static IReadOnlyList<int> Panel(VectorSet set) => set.Parts == 2 ? [4, 2, 1] : [8, 4, 2, 1];

    /// <summary>Rows of W and input rows, most first, of float tiles: their product of accumulators, the loads of one and a broadcast-free load of the other.</summary>
    /// <remarks>With two rows a register, 4 registers of rows by 6 inputs: 24 sums, 6 inputs and one of weights are 31 of 32. A batch of a few tokens takes 3.</remarks>
    public static (int Rows, IReadOnlyList<int> Inputs) Float(VectorSet set) => set.Abreast == 2 ? (8, [6, 3, 1]) : set.Parts == 2 ? (4, [2, 1]) : (4, [3, 1]);

    /// <summary>Input rows that one load of an adapter's B serves: with four registers of rows, half of the registers are sums.</summary>
    public static int LoraUpInputs(VectorSet set) => set.Registers / (8 * set.Parts);
}
