using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TinyLora.Numerics;

namespace TinyLora.Kernels;

/// <summary>gate · sigmoid(gate) · up (Shazeer 2020, arXiv 2002.05202).</summary>
internal static unsafe class SwiGlu
{
    /// <summary>Writes to <paramref name="gate"/>; <paramref name="size"/> counts floats and is rounded up to 8: the rows have room.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(float* gate, float* up, int size)
    {
        if (LinkedKernels.HasAvx2)
        {
            LinkedKernels.SwiGlu(gate, up, size);
            return;
        }
        for (var k = 0; k < size; k += 8)
        {
            var g = Vector256.Load(gate + k);
            var silu = g / (Vector256<float>.One + Elementary.Exp(-g));
            Vector256.Store(silu * Vector256.Load(up + k), gate + k);
        }
    }
}
