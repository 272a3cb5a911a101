using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>A model's tensors, mapped, named and checked.</summary>
internal sealed unsafe class ModelWeights : IDisposable
{
    public required string Path { get; init; }
    public required ModelShape Shape { get; init; }
    /// <summary>[VocabularySize, HiddenSize]</summary>
    public Linear Embedding;
    /// <summary>[VocabularySize, HiddenSize]; the embedding's own memory where tied.</summary>
    public Linear Head;
    /// <summary>[HiddenSize]</summary>
    public float* FinalNorm;
    public required LayerWeights[] Layers { get; init; }
    /// <summary>[HeadSize / 2]: radians a position by which pair i turns, scaling applied.</summary>
    public required double[] RotaryFrequencies { get; init; }
    /// <summary>Multiplies cos and sin (YaRN); 1 elsewhere.</summary>
    public float RotaryMagnitude { get; init; } = 1f;

    /// <summary>Opens a GGUF file or a Hugging Face folder.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what is not supported: path, place, found, expected.</exception>
    public static ModelWeights Open(string path) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
