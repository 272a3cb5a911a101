using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace TinyLora.Kernels;

/// <summary>Products of 32 weights by 32 activations where no single instruction does them; always inlined into the kernels that name them.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static unsafe class BlockDot
{
    /// <summary>Four lanes whose sum is that of all 32 products.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Portable(Vector128<byte> low, Vector128<byte> high, byte* q) => PortableHalf(low, q) + PortableHalf(high, q + 16);

    /// <summary>The same with a small scale for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> PortableScaled(Vector128<byte> low, Vector128<byte> high, byte* q, sbyte* scales) =>
        PortableHalf(low, q) * scales[0] + PortableHalf(high, q + 16) * scales[1];

    /// <summary>Four lanes whose sum is that of all 32 products, by ARM's widening multiplies.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Neon(Vector128<byte> low, Vector128<byte> high, byte* q) =>
        AdvSimd.AddPairwiseWideningAndAdd(AdvSimd.AddPairwiseWidening(NeonHalf(low, q)), NeonHalf(high, q + 16));

    /// <summary>The same with a small scale for each half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> NeonScaled(Vector128<byte> low, Vector128<byte> high, byte* q, sbyte* scales) =>
        AdvSimd.AddPairwiseWidening(NeonHalf(low, q)) * scales[0] + AdvSimd.AddPairwiseWidening(NeonHalf(high, q + 16)) * scales[1];

    // A product of bytes is at most 128 · 127: the sum of two fits 16 bits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> PortableHalf(Vector128<byte> w, byte* q)
    {
        var (a, b) = (w.AsSByte(), Vector128.Load((sbyte*)q));
        var products = Vector128.WidenLower(a) * Vector128.WidenLower(b) + Vector128.WidenUpper(a) * Vector128.WidenUpper(b);
        return Vector128.WidenLower(products) + Vector128.WidenUpper(products);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<short> NeonHalf(Vector128<byte> w, byte* q)
    {
        var (a, b) = (w.AsSByte(), Vector128.Load((sbyte*)q));
        return AdvSimd.MultiplyWideningUpperAndAdd(AdvSimd.MultiplyWideningLower(a.GetLower(), b.GetLower()), a, b);
    }
}
