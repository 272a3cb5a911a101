namespace TinyLora.Kernels;

/// <summary>The memory that a thread's mat-mat kernels use.</summary>
public static class KernelScratch
{
    /// <summary>Bytes for matrices of at most this many columns: a panel of 16 rows as bytes, its scales and minima, the saved partial sums, and eight rows before they are turned; or a float tile of 8 widened rows.</summary>
    public static long Bytes(int maxColumns)
    {
        var columns = (maxColumns + 255L) & ~255L;
        var panel = 16 * columns + 2 * 16 * sizeof(float) * (columns / 32) + 3 * 8 * 16 * sizeof(float) + 8 * columns;
        return Math.Max(panel, 8 * sizeof(float) * columns);
    }
}
