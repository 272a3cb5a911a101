using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>What the processor has and this build may use.</summary>
internal static class Machine
{
    /// <summary>Whether processors of this architecture exist that have the instruction set.</summary>
    public static bool MayHave(InstructionSet set) =>
        set == InstructionSet.Scalar || set == InstructionSet.Vector128
        || (set == InstructionSet.Neon || set == InstructionSet.NeonDot) == (RuntimeInformation.ProcessArchitecture == Architecture.Arm64);

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
