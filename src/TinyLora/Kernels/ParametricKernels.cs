namespace TinyLora.Kernels;

/// <summary>Asks the generator for kernels whose sizes are parameters.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class ParametricKernelsAttribute : Attribute;

/// <summary>
/// Kernels for models that nobody declared: written by the same emitters as a declared model's, with the sizes as parameters; one nested type an instruction set.
/// </summary>
[ParametricKernels]
public static unsafe partial class ParametricKernels;
