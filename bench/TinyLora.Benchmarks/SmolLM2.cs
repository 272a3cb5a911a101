using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;

namespace TinyLora.Benchmarks;

/// <summary>SmolLM2-135M, declared by its manifest and the ranks that are compared; from inside its class the generated kernels can be called on their own.</summary>
[LoraModel("SmolLM2-135M.model.json", Ranks = [3, 5, 8, 12, 16, 20, 32])]
internal sealed unsafe partial class SmolLM2
{
    /// <summary>A x for A of 576 columns in F16, as <see cref="FindKernel"/> numbers it.</summary>
    public const int DownKernel = 4;

    /// <summary>Multiplies by the generated kernel of the instruction set in use, 128-bit vectors where that is none of x64.</summary>
    /// <param name="kernel">0: 576 columns, 1: 1,536 columns, both Q4_1; or <see cref="DownKernel"/>.</param>
    /// <param name="weights">W.</param>
    /// <param name="columns">Columns of W.</param>
    /// <param name="x">A quantised row, or floats for <see cref="DownKernel"/>.</param>
    /// <param name="y">[rows]</param>
    /// <param name="rows">Rows of W.</param>
    public static void Multiply(int kernel, byte* weights, int columns, byte* x, float* y, int rows)
    {
        if (Avx512BW.IsSupported && InstructionSet.Current == InstructionSet.Avx512) Avx512Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
        else if (Avx2.IsSupported && InstructionSet.Current == InstructionSet.Avx2) Avx2Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
        else Vector128Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
    }

    /// <summary>y += B t by the kernel made for the rank, if there is one, of the same instruction set.</summary>
    public static void LoraUp(int type, byte* b, int rank, float* t, float* y, int rows)
    {
        if (Avx512BW.IsSupported && InstructionSet.Current == InstructionSet.Avx512) Avx512Kernels.LoraUp(type, b, rank, t, rank, 1, y, rows, 0, rows);
        else if (Avx2.IsSupported && InstructionSet.Current == InstructionSet.Avx2) Avx2Kernels.LoraUp(type, b, rank, t, rank, 1, y, rows, 0, rows);
        else Vector128Kernels.LoraUp(type, b, rank, t, rank, 1, y, rows, 0, rows);
    }
}
