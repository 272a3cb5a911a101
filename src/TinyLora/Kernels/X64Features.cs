using System.Runtime.Intrinsics.X86;

namespace TinyLora.Kernels;

/// <summary>What a processor of x64 and its system can do, asked by CPUID at run time: all that the levels v3 and v4 of x86-64 add.</summary>
/// <remarks>Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID and XGETBV; x86-64 psABI, micro-architecture levels.</remarks>
internal readonly struct X64Features
{
    // CPUID leaf 1 ECX: FMA, MOVBE, OSXSAVE, AVX; leaf 7 EBX: BMI1, AVX2, BMI2 and AVX-512 F, DQ, CD, BW, VL.
    private const uint BasicOfV3 = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28, ExtendedOfV3 = 1u << 3 | 1u << 5 | 1u << 8,
        ExtendedOfV4 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    // Leaf 0x80000001 ECX: LZCNT; leaf 7.1 EAX: AVX-VNNI.
    private const uint LeadingZeros = 1u << 5, Vnni = 1u << 4;
    // XCR0: the system keeps SSE and AVX registers; opmasks and both parts of ZMM too.
    private const uint StateOfV3 = 0x6, StateOfV4 = 0xE6;

    /// <summary>x86-64-v3: AVX2 and FMA among others.</summary>
    public bool HasV3 { get; private init; }
    /// <summary>x86-64-v4: AVX-512 F, BW, CD, DQ, VL.</summary>
    public bool HasV4 { get; private init; }
    /// <summary>x86-64-v3 and AVX-VNNI.</summary>
    public bool HasVnni { get; private init; }

    public static X64Features Read()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7) return default;
        if (!HasAll(X86Base.CpuId(1, 0).Ecx, BasicOfV3) || !HasAll(X86Base.CpuId(unchecked((int)0x80000001), 0).Ecx, LeadingZeros)) return default;
        var state = (int)LinkedKernels.ExtendedState();
        var extended = X86Base.CpuId(7, 0);
        if (!HasAll(state, StateOfV3) || !HasAll(extended.Ebx, ExtendedOfV3)) return default;
        return new()
        {
            HasV3 = true,
            HasV4 = HasAll(state, StateOfV4) && HasAll(extended.Ebx, ExtendedOfV4),
            HasVnni = extended.Eax >= 1 && HasAll(X86Base.CpuId(7, 1).Eax, Vnni),
        };
    }

    private static bool HasAll(int register, uint bits) => ((uint)register & bits) == bits;
}
