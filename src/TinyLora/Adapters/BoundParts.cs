using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>What an adapter does to a model beside adding B A to the layers' projections, laid out for a step.</summary>
internal sealed unsafe class BoundParts : IDisposable
{
    /// <summary>AttentionNorm, MlpNorm, QueryNorm, KeyNorm.</summary>
    public const int NormsOfLayer = 4;

    public AdapterChanges Changes { get; set; }

    /// <summary>[4 · LayerCount + 1] pointers, the final norm last; null where none is replaced.</summary>
    public nint[]? Norms { get; set; }

    /// <summary>[7 · LayerCount + 1], by <see cref="NumberOf(WeightKind, int, int)"/>: pointers to what must be added to a base's bias to replace it; null where none is.</summary>
    public nint[]? Shifts { get; set; }

    public AlignedBuffer[] Memory { get; set; } = [];

    /// <summary>Stands in for the base's where it has weights.</summary>
    public Linear Embedding;

    /// <summary>[7 · LayerCount + 1], by <see cref="NumberOf(WeightKind, int, int)"/>: stand in for the base's where they have weights; null where none does.</summary>
    public Linear[]? Matrices { get; set; }

    public TokenRows EmbeddingRows;

    public TokenRows HeadRows;

    public EmbeddingLora EmbeddingLora;

    /// <summary>The number of a projection among all, the head last.</summary>
    public static int NumberOf(int layer, LoraPlace place, int index, int layerCount) =>
        place == LoraPlace.Head ? 7 * layerCount : 7 * layer + index + place switch { LoraPlace.Attention => 0, LoraPlace.Output => 3, LoraPlace.Mlp => 4, _ => 6 };

    /// <summary>The same by its kind.</summary>
    public static int NumberOf(WeightKind kind, int layer, int layerCount) => kind == WeightKind.Head ? 7 * layerCount : 7 * layer + (kind - WeightKind.Query);

    public void Dispose()
    {
        foreach (var buffer in Memory) buffer.Dispose();
    }
}
