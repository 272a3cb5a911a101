using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace TinyLora.Kernels;

/// <summary>
/// Products of 32 weights by 32 activations q with their small scales m (<see cref="QuantizedRow"/>): four int lanes whose sum is the block's. Always inlined into the kernels that name them.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static unsafe class BlockDot
{
    /// <summary>By .NET's portable vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Portable(Vector128<byte> low, Vector128<byte> high, byte* q, short* m) => PortableHalf(low, q, m) + PortableHalf(high, q + 16, m + 8);

    /// <summary>By .NET's portable vectors, with a weight scale for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> PortableScaled(Vector128<byte> low, Vector128<byte> high, byte* q, short* m, sbyte* scales) =>
        PortableHalf(low, q, m) * scales[0] + PortableHalf(high, q + 16, m + 8) * scales[1];

    /// <summary>By ARM's widening multiplies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Neon(Vector128<byte> low, Vector128<byte> high, byte* q, short* m) => NeonHalf(low, q, m) + NeonHalf(high, q + 16, m + 8);

    /// <summary>By ARM's widening multiplies, with a weight scale for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> NeonScaled(Vector128<byte> low, Vector128<byte> high, byte* q, short* m, sbyte* scales) =>
        NeonHalf(low, q, m) * scales[0] + NeonHalf(high, q + 16, m + 8) * scales[1];

    /// <summary>By ARM's dot products.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> NeonDot(Vector128<byte> low, Vector128<byte> high, byte* q, short* m) => NeonDotHalf(low, q, m) + NeonDotHalf(high, q + 16, m + 8);

    /// <summary>By ARM's dot products, with a weight scale for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> NeonDotScaled(Vector128<byte> low, Vector128<byte> high, byte* q, short* m, sbyte* scales) =>
        NeonDotHalf(low, q, m) * scales[0] + NeonDotHalf(high, q + 16, m + 8) * scales[1];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> PortableHalf(Vector128<byte> w, byte* q, short* m)
    {
        var (a, b) = (w.AsSByte(), Vector128.Load((sbyte*)q));
        var first = Vector128.WidenLower(a) * Vector128.WidenLower(b);
        var second = Vector128.WidenUpper(a) * Vector128.WidenUpper(b);
        return (Vector128.WidenLower(first) + Vector128.WidenUpper(first)) * m[0] + (Vector128.WidenLower(second) + Vector128.WidenUpper(second)) * m[4];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> NeonHalf(Vector128<byte> w, byte* q, short* m)
    {
        var (a, b) = (w.AsSByte(), Vector128.Load((sbyte*)q));
        return AdvSimd.AddPairwiseWidening(AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower())) * m[0]
            + AdvSimd.AddPairwiseWidening(AdvSimd.MultiplyWideningUpper(a, b)) * m[4];
    }

    // A lane holds four products: two lanes to a scale. Of the scales, each of which stands four times, the middle ones are so.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> NeonDotHalf(Vector128<byte> w, byte* q, short* m) =>
        Dp.DotProduct(Vector128<int>.Zero, w.AsSByte(), Vector128.Load((sbyte*)q)) * AdvSimd.SignExtendWideningLower(AdvSimd.LoadVector64(m + 2));
}
