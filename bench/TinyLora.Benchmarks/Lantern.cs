using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;

namespace TinyLora.Benchmarks;

/// <summary>The model of the samples; from inside its class the generated kernels can be called on their own.</summary>
[LoraModel("lantern-3m-Q8_0.model.json")]
internal sealed unsafe partial class Lantern
{
    /// <summary>Multiplies by the generated kernel of the widest instruction set that is there, if it is the one in use.</summary>
    /// <param name="kernel">0: 256 columns, 1: 512 columns, both Q8_0.</param>
    /// <param name="weights">W.</param>
    /// <param name="x">A quantised row.</param>
    /// <param name="y">[rows]</param>
    /// <param name="rows">Rows of W.</param>
    public static void Multiply(int kernel, byte* weights, byte* x, float* y, int rows)
    {
        var columns = kernel == 0 ? 256 : 512;
        if (Avx512BW.IsSupported && InstructionSet.Current == InstructionSet.Avx512) Avx512Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
        else if (Avx2.IsSupported && InstructionSet.Current == InstructionSet.Avx2) Avx2Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
        else Vector128Kernels.MultiplyVector(kernel, weights, columns, x, y, 0, rows);
    }
}
