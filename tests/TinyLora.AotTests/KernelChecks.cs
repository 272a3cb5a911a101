using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.AotTests;

/// <summary>
/// Group <c>kernels</c>: the scalar twin gives the same bits on every processor, and the kernels of each instruction set that this build can use
/// on this processor equal it.
/// </summary>
internal static class KernelChecks
{
    public static void Run(Report report, Arguments arguments)
    {
        report.Note($"supported: {Machine.Describe()}; preferred: {InstructionSet.Current}");
        report.Run("kernels", "required instruction sets", () =>
        {
            foreach (var set in arguments.Required)
                if (!set.IsSupported)
                    throw new CheckFailedException($"{set} cannot be used: the processor or the build lacks it");
        });
        foreach (var (type, expected) in TwinChecksums.Recorded)
            report.Run("kernels", InstructionSet.Scalar, $"{type} gives the recorded bits", () =>
            {
                ulong actual = TwinChecksums.Compute(type);
                if (actual != expected)
                    throw new CheckFailedException($"checksum 0x{actual:x16}, recorded 0x{expected:x16}");
            });
        foreach (var set in InstructionSet.All)
        {
            if (set == InstructionSet.Scalar)
                continue;
            if (!set.IsSupported)
            {
                report.Run("kernels", set, "all formats", () => { });
                continue;
            }
            foreach (var type in Enum.GetValues<ElementType>())
                report.Run("kernels", set, $"{type} equals the twin", () =>
                {
                    if (KernelComparison.FirstDifference(set, type) is { } difference)
                        throw new CheckFailedException(difference);
                });
        }
    }
}
