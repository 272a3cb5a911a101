using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;

namespace TinyLora.Benchmarks;

/// <summary>SmolLM2-135M, declared by its manifest alone; from inside its class the generated kernels can be called on their own.</summary>
[LoraModel("SmolLM2-135M.model.json")]
internal sealed unsafe partial class SmolLM2
{
    /// <summary>Multiplies by the generated kernel of the instruction set in use, 128-bit vectors where that is none of x64.</summary>
    /// <param name="kernel">0: 576 columns, 1: 1,536 columns, both Q4_1.</param>
    /// <param name="weights">W.</param>
    /// <param name="columns">Columns of W.</param>
    /// <param name="x">A quantised row.</param>
    /// <param name="y">[rows]</param>
    /// <param name="rows">Rows of W.</param>
    public static void Multiply(int kernel, byte* weights, int columns, byte* x, float* y, int rows)
    {
        if (Avx512BW.IsSupported && InstructionSet.Current == InstructionSet.Avx512) Avx512Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
        else if (Avx2.IsSupported && InstructionSet.Current == InstructionSet.Avx2) Avx2Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
        else Vector128Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
    }
}
