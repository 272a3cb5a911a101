using TinyLora.Adapters;
using TinyLora.Tokenization;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>How a model is opened.</summary>
public sealed record ModelOptions
{
    /// <summary>Threads that share a step's rows; 0: one a processor.</summary>
    public int ThreadCount { get; init; }
    /// <summary>Name of the instruction set to use (<see cref="Kernels.InstructionSet"/>); null: the best that the machine has.</summary>
    public string? InstructionSet { get; init; }
}

/// <summary>A language model whose weights are mapped from a file and shared by its sessions.</summary>
public abstract class Model : IDisposable
{
    /// <summary>Opens a GGUF file or a Hugging Face folder with the kernels whose sizes are parameters.</summary>
    public static Model Open(string path, ModelOptions? options = null) => throw new NotImplementedException();

    /// <summary>Path of the file or folder.</summary>
    public string Path => throw new NotImplementedException();
    public ModelShape Shape => throw new NotImplementedException();
    /// <exception cref="InvalidDataException">The file has no tokenizer, or one that is not supported.</exception>
    public Tokenizer Tokenizer => throw new NotImplementedException();
    /// <summary>The adapters that new sessions, and those without a set of their own, use.</summary>
    public IReadOnlyList<LoraAdapter> Adapters => throw new NotImplementedException();
    /// <summary>Checks the adapter against the model and puts it on.</summary>
    public void ApplyLoraAdapter(LoraAdapter adapter) => throw new NotImplementedException();
    /// <summary>Takes the adapter off; false if it was not on.</summary>
    public bool RemoveLoraAdapter(LoraAdapter adapter) => throw new NotImplementedException();
    public Session CreateSession(SessionOptions? options = null) => throw new NotImplementedException();
    public void Dispose() => throw new NotImplementedException();
}
