using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Kernels;

/// <summary>
/// Rotates pairs of channels of a head by angles that grow with the position (Su et al. 2021, arXiv 2104.09864):
/// x'[a] = x[a] cos - x[b] sin, x'[b] = x[b] cos + x[a] sin; the first product is fused, the second rounded.
/// </summary>
internal static unsafe class RotaryEmbedding
{
    /// <summary>Writes cos and sin of one position for every channel, sin with the sign of its channel: each [headSize].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Angles(ReadOnlySpan<double> frequencies, float magnitude, int position, RotaryLayout layout, float* cos, float* sin)
    {
        for (var i = 0; i < frequencies.Length; i++)
        {
            var (s, c) = Elementary.SinCos(position * frequencies[i]);
            var (a, b) = layout == RotaryLayout.Interleaved ? (2 * i, 2 * i + 1) : (i, i + frequencies.Length);
            cos[a] = cos[b] = (float)c * magnitude;
            sin[b] = (float)s * magnitude;
            sin[a] = -sin[b];
        }
    }

    /// <param name="x">[headSize]</param>
    /// <param name="y">[headSize]; not x.</param>
    /// <param name="cos">[headSize]</param>
    /// <param name="sin">[headSize], signed.</param>
    /// <param name="headSize">Even.</param>
    /// <param name="layout">Which channels pair.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rotate(float* x, float* y, float* cos, float* sin, int headSize, RotaryLayout layout)
    {
        if (LinkedKernels.HasAvx2)
        {
            LinkedKernels.Rotate(x, y, cos, sin, headSize, layout);
            return;
        }
        var half = headSize / 2;
        var k = 0;
        if (layout == RotaryLayout.Interleaved)
        {
            for (; k + 8 <= headSize; k += 8)
            {
                var v = Vector256.Load(x + k);
                var partner = Vector256.Shuffle(v, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
                Vector256.Store(Vector256.FusedMultiplyAdd(v, Vector256.Load(cos + k), partner * Vector256.Load(sin + k)), y + k);
            }
            for (; k < headSize; k++) y[k] = MathF.FusedMultiplyAdd(x[k], cos[k], x[k ^ 1] * sin[k]);
            return;
        }
        if (half % 8 == 0)
        {
            for (; k < headSize; k += 8)
            {
                var partner = Vector256.Load(x + (k < half ? k + half : k - half));
                Vector256.Store(Vector256.FusedMultiplyAdd(Vector256.Load(x + k), Vector256.Load(cos + k), partner * Vector256.Load(sin + k)), y + k);
            }
        }
        for (; k < headSize; k++) y[k] = MathF.FusedMultiplyAdd(x[k], cos[k], x[k < half ? k + half : k - half] * sin[k]);
    }
}
