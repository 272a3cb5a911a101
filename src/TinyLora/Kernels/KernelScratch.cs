namespace TinyLora.Kernels;

/// <summary>The memory that a thread's mat-mat kernels use: its <see cref="Lookahead"/>, then what they keep while they run. Zero at first.</summary>
public static class KernelScratch
{
    // Of a block of an input row as the panels meet it, and the rows that are packed at once.
    private const int PackedBlockBytes = 68;
    private const int PackedRows = 128;

    /// <summary>
    /// Bytes for matrices of at most this many columns: a panel of 16 rows as bytes, its scales and minima, the saved partial sums, 16 rows of up to nine bits a weight, eight
    /// rows before they are turned, and packed input rows; or a float tile of 8 widened rows.
    /// </summary>
    public static long Bytes(int maxColumns)
    {
        var columns = (maxColumns + 255L) & ~255L;
        var panel = 16 * columns + 2 * 16 * sizeof(float) * (columns / 32) + 3 * 8 * 16 * sizeof(float) + 18 * columns + 8 * columns + PackedRows * PackedBlockBytes * (columns / 32);
        return Lookahead.Bytes + Math.Max(panel, 8 * sizeof(float) * columns);
    }
}
