namespace TinyLora.Inference;

/// <summary>How a model is opened.</summary>
public sealed record ModelOptions
{
    /// <summary>Threads that share a step's rows, the caller's included; 0: one a processor. Their number changes no bit.</summary>
    public int ThreadCount { get; init; }

    /// <summary>The instruction set of the kernels; null: <see cref="Kernels.InstructionSet.Current"/>. It changes no bit.</summary>
    public Kernels.InstructionSet? InstructionSet { get; init; }
}
