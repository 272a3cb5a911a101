using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>Group <c>kernels</c>: which instruction sets this build can use on this processor, and their kernels.</summary>
internal static class KernelChecks
{
    public static void Run(Report report, Arguments arguments)
    {
        report.Note($"supported: {Machine.Describe()}");
        report.Run("kernels", "required instruction sets", () =>
        {
            foreach (var set in arguments.Required)
                if (!Machine.Has(set))
                    throw new CheckFailedException($"{set} cannot be used: the processor or the build lacks it");
        });
        foreach (var set in Enum.GetValues<InstructionSet>())
            report.Run(set, "usable", () => { });
    }
}
