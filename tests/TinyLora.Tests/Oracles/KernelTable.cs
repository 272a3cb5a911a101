using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Tests.Oracles;

/// <summary>Calls the kernels whose sizes are parameters by instruction set.</summary>
internal static unsafe class KernelTable
{
    public static void MultiplyVector(InstructionSet set, int kernel, byte* weights, int columns, byte* x, float* y, int firstRow, int endRow)
    {
        if (set == InstructionSet.Scalar) ScalarKernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else if (set == InstructionSet.Vector128) ParametricKernels.Vector128Kernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else if (AdvSimd.Arm64.IsSupported && set == InstructionSet.Neon) ParametricKernels.NeonKernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else if (Dp.IsSupported && set == InstructionSet.NeonDot) ParametricKernels.NeonDotKernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else if ((Avx2.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2) ParametricKernels.Avx2Kernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else if ((AvxVnni.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2Vnni) ParametricKernels.Avx2VnniKernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else if ((Avx512BW.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx512) ParametricKernels.Avx512Kernels.MultiplyVector(kernel, weights, columns, x, y, firstRow, endRow);
        else throw new PlatformNotSupportedException(set.Name);
    }

    public static void MultiplyMatrix(InstructionSet set, int kernel, byte* weights, int columns, byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)
    {
        if (set == InstructionSet.Scalar) ScalarKernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else if (set == InstructionSet.Vector128) ParametricKernels.Vector128Kernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else if (AdvSimd.Arm64.IsSupported && set == InstructionSet.Neon) ParametricKernels.NeonKernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else if (Dp.IsSupported && set == InstructionSet.NeonDot) ParametricKernels.NeonDotKernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else if ((Avx2.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2) ParametricKernels.Avx2Kernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else if ((AvxVnni.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2Vnni) ParametricKernels.Avx2VnniKernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else if ((Avx512BW.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx512) ParametricKernels.Avx512Kernels.MultiplyMatrix(kernel, weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch);
        else throw new PlatformNotSupportedException(set.Name);
    }

    public static void LoraUp(InstructionSet set, ElementType type, byte* b, int rank, float* d, nint dStride, int count, float* y, nint yStride, int firstRow, int endRow)
    {
        var number = (int)type;
        if (set == InstructionSet.Scalar) ScalarKernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else if (set == InstructionSet.Vector128) ParametricKernels.Vector128Kernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else if (AdvSimd.Arm64.IsSupported && set == InstructionSet.Neon) ParametricKernels.NeonKernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else if (Dp.IsSupported && set == InstructionSet.NeonDot) ParametricKernels.NeonDotKernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else if ((Avx2.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2) ParametricKernels.Avx2Kernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else if ((AvxVnni.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2Vnni) ParametricKernels.Avx2VnniKernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else if ((Avx512BW.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx512) ParametricKernels.Avx512Kernels.LoraUp(number, b, rank, d, dStride, count, y, yStride, firstRow, endRow);
        else throw new PlatformNotSupportedException(set.Name);
    }
}
