namespace TinyLora.Kernels;

/// <summary>
/// The products that depend on a model's shapes, for one instruction set: the seam between the forward pass, written once, and
/// the generated kernels. All implementations give the same bits.
/// </summary>
/// <remarks>
/// A kernel is numbered by the model (<see cref="Weights.Linear"/>); a negative number ~t is the kernel of element type t whose sizes are parameters.
/// An input row x is float32 [columns] for the float types and a quantised row (<see cref="QuantizedRow"/>) for the others.
/// Rows are computed in units of 8, so an output has room for a multiple of 8 rows.
/// </remarks>
public unsafe interface IModelKernels
{
    /// <summary>y[r] = Σ_k W[r, k] x[k] for r in [firstRow, endRow).</summary>
    static abstract void MultiplyVector(int kernel, byte* weights, int columns, byte* x, float* y, int firstRow, int endRow);

    /// <summary>y[t, r] = Σ_k W[r, k] x[t, k] for t in [0, count), r in [firstRow, endRow); firstRow is a multiple of 8.</summary>
    /// <param name="kernel">The kernel's number.</param>
    /// <param name="weights">W, as it lies in the file.</param>
    /// <param name="columns">Columns of W.</param>
    /// <param name="x">The first input row.</param>
    /// <param name="xStride">Bytes from one input row to the next.</param>
    /// <param name="count">Input rows.</param>
    /// <param name="y">The first output row.</param>
    /// <param name="yStride">Floats from one output row to the next.</param>
    /// <param name="firstRow">First row of W.</param>
    /// <param name="endRow">Row of W to stop before.</param>
    /// <param name="scratch">This thread's <see cref="KernelScratch"/> bytes.</param>
    static abstract void MultiplyMatrix(int kernel, byte* weights, int columns, byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch);

    /// <summary>y[t, r] += Σ_j B[r, j] d[t, j], j ascending, for r in [firstRow, endRow), firstRow a multiple of 8.</summary>
    /// <param name="type">F32, F16 or BF16 as a number.</param>
    /// <param name="b">B in panels of 8 rows: [rows / 8][rank][8].</param>
    /// <param name="rank">Columns of B.</param>
    /// <param name="d">A x times the adapter's scaling, [count, rank].</param>
    /// <param name="dStride">Floats from one row of d to the next.</param>
    /// <param name="count">Rows of d and y.</param>
    /// <param name="y">The first output row.</param>
    /// <param name="yStride">Floats from one output row to the next.</param>
    /// <param name="firstRow">First row of B.</param>
    /// <param name="endRow">Row of B to stop before.</param>
    static abstract void LoraUp(int type, byte* b, int rank, float* d, nint dStride, int count, float* y, nint yStride, int firstRow, int endRow);
}
