using System.Runtime.Intrinsics;
using TinyLora.Adapters;
using TinyLora.Kernels;

namespace TinyLora.Inference;

/// <summary>y += B t where B has vectors beside it: a bias of its own, or DoRA's magnitudes.</summary>
internal static unsafe class ProjectionUp<TKernels>
    where TKernels : struct, IModelKernels
{
    /// <param name="projection">With vectors.</param>
    /// <param name="scale">The user's.</param>
    /// <param name="shift">What was added to the base's bias, or null.</param>
    /// <param name="t">[count, tStride], scaled.</param>
    /// <param name="tStride">In floats.</param>
    /// <param name="count">Rows of t and y.</param>
    /// <param name="y">[count, yStride]</param>
    /// <param name="yStride">In floats.</param>
    /// <param name="first">This worker's first row of B, a multiple of 8.</param>
    /// <param name="end">Row of B to stop before.</param>
    public static void Apply(in LoraProjection projection, float scale, float* shift, float* t, nint tStride, int count, float* y, nint yStride, int first, int end)
    {
        var vectors = projection.Vectors;
        var factor = scale * projection.Scaling;
        var isDora = vectors->Magnitude != null;
        // g stands before W x and B A x, not before the bias.
        if (isDora) AddBias(vectors->BaseBias, shift, -1, count, y, yStride, first, end);
        TKernels.LoraUp((int)projection.Type, projection.B, projection.Rank, t, tStride, count, y, yStride, first, end);
        if (vectors->BiasOfB != null) AddScaled(vectors->BiasOfB, factor, count, y, yStride, first, end);
        if (!isDora) return;
        for (var r = first; r < end; r += 8)
        {
            var gain = DoraGain.Of(vectors->Magnitude, vectors->Terms, r, factor);
            for (var row = 0; row < count; row++) Vector256.Store(Vector256.Load(y + row * yStride + r) * gain, y + row * yStride + r);
        }
        AddBias(vectors->BaseBias, shift, 1, count, y, yStride, first, end);
    }

    private static void AddBias(float* bias, float* shift, float sign, int count, float* y, nint yStride, int first, int end)
    {
        if (bias != null) AddScaled(bias, sign, count, y, yStride, first, end);
        if (shift != null) AddScaled(shift, sign, count, y, yStride, first, end);
    }

    /// <summary>y += factor · vector in each row.</summary>
    public static void AddScaled(float* vector, float factor, int count, float* y, nint yStride, int first, int end)
    {
        for (var row = 0; row < count; row++)
            for (var r = first; r < end; r++) y[row * yStride + r] = MathF.FusedMultiplyAdd(factor, vector[r], y[row * yStride + r]);
    }
}
