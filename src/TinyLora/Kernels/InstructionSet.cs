using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace TinyLora.Kernels;

/// <summary>An instruction set that kernels are generated for. All of them give the same bits; they differ in speed.</summary>
public sealed class InstructionSet
{
    /// <summary>Environment variable that forces one by name.</summary>
    public const string EnvironmentVariable = "TINYLORA_INSTRUCTION_SET";

    private static InstructionSet? s_current;

    private InstructionSet(string name, string needs, bool isSupported)
    {
        Name = name;
        Needs = needs;
        IsSupported = isSupported;
    }

    /// <summary>Plain C#: the twin that every other equals bit for bit.</summary>
    public static InstructionSet Scalar { get; } = new("scalar", "nothing", true);
    /// <summary>Portable 128-bit vectors: the floor of every machine.</summary>
    public static InstructionSet Vector128 { get; } = new("vector128", "128-bit vectors", true);
    /// <summary>ARM64 without dot products.</summary>
    public static InstructionSet Neon { get; } = new("neon", "ARM64 AdvSimd", AdvSimd.Arm64.IsSupported);
    /// <summary>ARM64 with SDOT.</summary>
    public static InstructionSet NeonDot { get; } = new("neon-dot", "ARM64 AdvSimd and dot products", AdvSimd.Arm64.IsSupported && Dp.IsSupported);
    /// <summary>x64 with AVX2 and FMA.</summary>
    public static InstructionSet Avx2 { get; } = new("avx2", "x64 AVX2 and FMA", HasAvx2);
    /// <summary>x64 with AVX2, FMA and AVX-VNNI.</summary>
    public static InstructionSet Avx2Vnni { get; } = new("avx2-vnni", "x64 AVX2, FMA and AVX-VNNI", (HasAvx2 && AvxVnni.IsSupported) || LinkedKernels.HasAvxVnni);
    /// <summary>x64 with AVX-512 F, BW, DQ and VL.</summary>
    public static InstructionSet Avx512 { get; } = new("avx512", "x64 AVX-512 F, BW, DQ and VL",
        (HasAvx2 && Avx512F.VL.IsSupported && Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported) || LinkedKernels.HasAvx512);

    /// <summary>All of them, the most preferred last.</summary>
    public static IReadOnlyList<InstructionSet> All { get; } = [Scalar, Vector128, Neon, NeonDot, Avx2, Avx2Vnni, Avx512];

    /// <summary>The one that models use unless told otherwise: that of <see cref="EnvironmentVariable"/>, else the best that the machine has.</summary>
    /// <exception cref="PlatformNotSupportedException">The variable names one that the machine, or this build, lacks.</exception>
    /// <exception cref="ArgumentException">The variable names none.</exception>
    public static InstructionSet Current => s_current ??= Choose(Environment.GetEnvironmentVariable(EnvironmentVariable));

    /// <summary>Name as in the command line: scalar, vector128, neon, neon-dot, avx2, avx2-vnni, avx512.</summary>
    public string Name { get; }

    /// <summary>Whether the machine has it and this build may use it.</summary>
    public bool IsSupported { get; }

    internal string Needs { get; }

    private static bool HasAvx2 => (System.Runtime.Intrinsics.X86.Avx2.IsSupported && Fma.IsSupported) || LinkedKernels.HasAvx2;

    /// <summary>The instruction set of a name.</summary>
    /// <exception cref="ArgumentException">There is none of that name.</exception>
    /// <exception cref="PlatformNotSupportedException">The machine, or this build, lacks it.</exception>
    public static InstructionSet Find(string name)
    {
        foreach (var set in All)
        {
            if (!set.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
            return set.IsSupported ? set : throw new PlatformNotSupportedException(
                $"The instruction set {set.Name} needs {set.Needs}, which this machine or this build does not have; it has {string.Join(", ", All.Where(s => s.IsSupported).Select(s => s.Name))}.");
        }
        throw new ArgumentException($"There is no instruction set '{name}'; known are {string.Join(", ", All.Select(s => s.Name))}.", nameof(name));
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>The one of a name, or without one the best.</summary>
    internal static InstructionSet Choose(string? name)
    {
        if (!string.IsNullOrEmpty(name)) return Find(name);
        var best = Scalar;
        foreach (var set in All) if (set.IsSupported) best = set;
        return best;
    }
}
