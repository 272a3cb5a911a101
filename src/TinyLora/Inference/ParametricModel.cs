using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Inference;

/// <summary>A model that nobody declared: kernels whose sizes are parameters.</summary>
internal sealed class ParametricModel(string path, ModelOptions? options) : Model(path, options, null)
{
    /// <inheritdoc/>
    protected override int FindKernel(ElementType type, int rows, int columns) => ~(int)type;

    /// <inheritdoc/>
    protected override void Run(int worker)
    {
        var set = InstructionSet;
        // The tests of IsSupported are constants: what this build cannot use is left out of it.
        if (set == InstructionSet.Vector128) Run<ParametricKernels.Vector128Kernels>(worker);
        else if (AdvSimd.Arm64.IsSupported && set == InstructionSet.Neon) Run<ParametricKernels.NeonKernels>(worker);
        else if (Dp.IsSupported && set == InstructionSet.NeonDot) Run<ParametricKernels.NeonDotKernels>(worker);
        else if ((Avx2.IsSupported && Fma.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2) Run<ParametricKernels.Avx2Kernels>(worker);
        else if ((AvxVnni.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx2Vnni) Run<ParametricKernels.Avx2VnniKernels>(worker);
        else if ((Avx512BW.IsSupported && Avx512DQ.IsSupported || LinkedKernels.IsEnabled) && set == InstructionSet.Avx512) Run<ParametricKernels.Avx512Kernels>(worker);
        else Run<ScalarKernels>(worker);
    }
}
