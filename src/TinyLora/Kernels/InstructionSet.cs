namespace TinyLora.Kernels;

/// <summary>The instruction sets that kernels are generated for, worst first within an architecture.</summary>
public enum InstructionSet : byte
{
    /// <summary>Plain C#: the twin that every other must equal bit for bit.</summary>
    Scalar,
    /// <summary>Portable 128-bit vectors.</summary>
    Vector128,
    /// <summary>x64 with AVX2 and FMA.</summary>
    Avx2,
    /// <summary>x64 with AVX2, FMA and AVX-VNNI.</summary>
    Avx2Vnni,
    /// <summary>x64 with AVX-512 F, BW, DQ and VL.</summary>
    Avx512,
    /// <summary>ARM64 without dot products.</summary>
    Neon,
    /// <summary>ARM64 with SDOT.</summary>
    NeonDot,
}
