using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using TinyLora.Weights;

namespace TinyLora.Kernels;

/// <summary>
/// Kernels that a native program for x64 carries without needing their instructions: the same methods, compiled for x86-64-v3 (AVX2) or v4 (AVX-512) in a run of the
/// compiler of their own, linked under the name of their level and called where the processor has it. They are leaves over pointers to memory that does not move.
/// </summary>
/// <remarks>
/// The native compiler makes <c>Avx2.IsSupported</c> a constant of the program, and <c>Avx512F.IsSupported</c> too; this is how one program has all of them.
/// The build turns it on by TinyLoraInstructionSet=all.
/// </remarks>
[EditorBrowsable(EditorBrowsableState.Never)]
public static unsafe class LinkedKernels
{
    /// <summary>What imports of such kernels name as their library.</summary>
    public const string Library = "TinyLora.LinkedKernels";

    /// <summary>Whether the program carries them: a constant of a native program.</summary>
    [FeatureSwitchDefinition(Library)]
    public static bool IsEnabled { get; } = AppContext.TryGetSwitch(Library, out var isEnabled) && isEnabled;

    // After what it asks: initialisers run in this order.
    private static readonly X64Features s_features = IsEnabled ? X64Features.Read() : default;

    internal static bool HasAvx2 => IsEnabled && s_features.HasV3;
    internal static bool HasAvxVnni => IsEnabled && s_features.HasVnni;
    internal static bool HasAvx512 => IsEnabled && s_features.HasV4;

    /// <inheritdoc cref="Attention.Head"/>
    [DllImport(Library, EntryPoint = "v3.TinyLora_TinyLora_Kernels_Attention__Head")]
    internal static extern void Attend(float* query, float* keys, float* values, int first, int last, int headSize, int valueStride, float scale, float* scores, float* output);

    /// <inheritdoc cref="QuantizedRow.Quantize"/>
    [DllImport(Library, EntryPoint = "v3.TinyLora_TinyLora_Kernels_QuantizedRow__Quantize")]
    internal static extern void Quantize(float* x, byte* row, int columns);

    /// <inheritdoc cref="RmsNorm.Apply"/>
    [DllImport(Library, EntryPoint = "v3.TinyLora_TinyLora_Kernels_RmsNorm__Apply")]
    internal static extern void Norm(float* x, float* weight, float* y, int size, float epsilon);

    /// <inheritdoc cref="RotaryEmbedding.Rotate"/>
    [DllImport(Library, EntryPoint = "v3.TinyLora_TinyLora_Kernels_RotaryEmbedding__Rotate")]
    internal static extern void Rotate(float* x, float* y, float* cos, float* sin, int headSize, RotaryLayout layout);

    /// <inheritdoc cref="Kernels.SwiGlu.Apply"/>
    [DllImport(Library, EntryPoint = "v3.TinyLora_TinyLora_Kernels_SwiGlu__Apply")]
    internal static extern void SwiGlu(float* gate, float* up, int size);

    // XCR0 by XGETBV: which registers the system keeps for a thread. .NET has no intrinsic for it; the build writes these three instructions beside the kernels.
    [DllImport(Library, EntryPoint = "tinylora.xgetbv")]
    internal static extern uint ExtendedState();
}
