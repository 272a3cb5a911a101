using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace TinyLora.Kernels;

/// <summary>y = x / sqrt(mean(x²) + ε) · w (Zhang and Sennrich 2019, arXiv 1910.07467). The sum of squares runs in eight lanes, k mod 8.</summary>
internal static unsafe class RmsNorm
{
    /// <param name="x">[size]</param>
    /// <param name="weight">[size]</param>
    /// <param name="y">[size]; may be x.</param>
    /// <param name="size">Any size.</param>
    /// <param name="epsilon">Added to the mean of squares.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(float* x, float* weight, float* y, int size, float epsilon)
    {
        if (LinkedKernels.HasAvx2)
        {
            LinkedKernels.Norm(x, weight, y, size, epsilon);
            return;
        }
        var whole = size & ~7;
        var lanes = Vector256<float>.Zero;
        for (var k = 0; k < whole; k += 8)
        {
            var v = Vector256.Load(x + k);
            lanes = Vector256.FusedMultiplyAdd(v, v, lanes);
        }
        for (var k = whole; k < size; k++) lanes = lanes.WithElement(k & 7, MathF.FusedMultiplyAdd(x[k], x[k], lanes[k & 7]));
        var inverse = 1f / MathF.Sqrt(Lanes.Sum(lanes) / size + epsilon);
        for (var k = 0; k < whole; k += 8)
            Vector256.Store(Vector256.Load(x + k) * Vector256.Create(inverse) * Vector256.Load(weight + k), y + k);
        for (var k = whole; k < size; k++) y[k] = x[k] * inverse * weight[k];
    }
}
