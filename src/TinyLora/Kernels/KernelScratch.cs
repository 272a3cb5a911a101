namespace TinyLora.Kernels;

/// <summary>The memory that a thread's mat-mat kernels use.</summary>
public static class KernelScratch
{
    /// <summary>Bytes for matrices of at most this many columns: a panel of 16 rows as bytes, its scales and minima, and the saved partial sums; or a float tile of 8 widened rows.</summary>
    public static long Bytes(int maxColumns)
    {
        var columns = (maxColumns + 255L) & ~255L;
        var panel = 16 * columns + 2 * 16 * sizeof(float) * (columns / 32) + 3 * 8 * 16 * sizeof(float);
        return Math.Max(panel, 8 * sizeof(float) * columns);
    }
}
