using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>What the processor has and this build may use.</summary>
internal static class Machine
{
    public static bool Has(InstructionSet instructionSet) => instructionSet switch
    {
        InstructionSet.Scalar or InstructionSet.Vector128 => true,
        InstructionSet.Avx2 => Avx2.IsSupported && Fma.IsSupported,
        InstructionSet.Avx2Vnni => Avx2.IsSupported && Fma.IsSupported && AvxVnni.IsSupported,
        InstructionSet.Avx512 => Avx512F.VL.IsSupported && Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported,
        InstructionSet.Neon => AdvSimd.Arm64.IsSupported,
        InstructionSet.NeonDot => AdvSimd.Arm64.IsSupported && Dp.Arm64.IsSupported,
        _ => throw new ArgumentOutOfRangeException(nameof(instructionSet)),
    };

    /// <summary>Whether processors of this architecture exist that have it.</summary>
    public static bool MayHave(InstructionSet instructionSet) => instructionSet switch
    {
        InstructionSet.Scalar or InstructionSet.Vector128 => true,
        InstructionSet.Neon or InstructionSet.NeonDot => RuntimeInformation.ProcessArchitecture == Architecture.Arm64,
        _ => RuntimeInformation.ProcessArchitecture == Architecture.X64,
    };

    /// <summary>The names of the instructions' classes that answer "supported", for the reader of a log.</summary>
    public static string Describe()
    {
        var names = new List<string>();
        Add(Sse42.IsSupported, "Sse42");
        Add(Avx2.IsSupported, "Avx2");
        Add(Fma.IsSupported, "Fma");
        Add(AvxVnni.IsSupported, "AvxVnni");
        Add(Avx512F.IsSupported, "Avx512F");
        Add(Avx512BW.IsSupported, "Avx512BW");
        Add(Avx512DQ.IsSupported, "Avx512DQ");
        Add(Avx512Vbmi.IsSupported, "Avx512Vbmi");
        Add(AdvSimd.IsSupported, "AdvSimd");
        Add(Dp.IsSupported, "Dp");
        return names.Count == 0 ? "none" : string.Join(' ', names);

        void Add(bool supported, string name)
        {
            if (supported)
                names.Add(name);
        }
    }
}
