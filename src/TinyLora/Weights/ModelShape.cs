namespace TinyLora.Weights;

/// <summary>Which two channels of a head a rotation pairs.</summary>
public enum RotaryLayout : byte
{
    /// <summary>Channel 2i with 2i + 1: GGUF files of the llama architecture, whose query and key rows were permuted for it.</summary>
    Interleaved,
    /// <summary>Channel i with i + RotarySize / 2: Hugging Face folders, and GGUF files of the qwen architectures.</summary>
    Halves,
}

/// <summary>The sizes and constants of a decoder-only transformer.</summary>
public sealed record ModelShape
{
    /// <summary>The architecture's name as in GGUF: llama, qwen2, qwen3.</summary>
    public required string Architecture { get; init; }
    /// <summary>Numbers of a token in the stream between the blocks.</summary>
    public required int HiddenSize { get; init; }
    /// <summary>Rows of Gate and Up.</summary>
    public required int IntermediateSize { get; init; }
    /// <summary>Transformer blocks.</summary>
    public required int LayerCount { get; init; }
    /// <summary>Heads of queries.</summary>
    public required int HeadCount { get; init; }
    /// <summary>Heads of keys and values; a divisor of <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }
    /// <summary>Channels of a head, even.</summary>
    public required int HeadSize { get; init; }
    /// <summary>Rows of the embedding and of the head.</summary>
    public required int VocabularySize { get; init; }
    /// <summary>The longest sequence in tokens that the model was made for.</summary>
    public required int ContextLength { get; init; }
    /// <summary>Added to the mean of squares before its root is taken.</summary>
    public required float RmsNormEpsilon { get; init; }
    /// <summary>Pair i of a head turns by RopeTheta^(-2i / HeadSize) radians a position, before any scaling.</summary>
    public required double RopeTheta { get; init; }
    /// <summary>Which channels a rotation pairs.</summary>
    public required RotaryLayout RotaryLayout { get; init; }
    /// <summary>A token sees itself and at most this many less one before it; 0: all of them.</summary>
    public int SlidingWindow { get; init; }
    /// <summary>Layers of this index and above use the sliding window (Qwen2's <c>max_window_layers</c>); 0: all layers.</summary>
    public int SlidingWindowFirstLayer { get; init; }
    /// <summary>Whether the head is the embedding's own matrix.</summary>
    public bool TiedEmbedding { get; init; }
    /// <summary>Whether queries and keys are normalised per head before the rotation (Qwen3).</summary>
    public bool HasQueryKeyNorm { get; init; }

    /// <summary>HeadCount × HeadSize.</summary>
    public int QuerySize => HeadCount * HeadSize;
    /// <summary>KeyValueHeadCount × HeadSize.</summary>
    public int KeyValueSize => KeyValueHeadCount * HeadSize;

    /// <summary>Rows and columns of a tensor; 0 columns: a vector; 0 rows: the architecture has none.</summary>
    internal (int Rows, int Columns) SizeOf(WeightKind kind) => kind switch
    {
        WeightKind.Embedding or WeightKind.Head => (VocabularySize, HiddenSize),
        WeightKind.FinalNorm or WeightKind.AttentionNorm or WeightKind.MlpNorm => (HiddenSize, 0),
        WeightKind.QueryNorm or WeightKind.KeyNorm => (HasQueryKeyNorm ? HeadSize : 0, 0),
        WeightKind.Query => (QuerySize, HiddenSize),
        WeightKind.Key or WeightKind.Value => (KeyValueSize, HiddenSize),
        WeightKind.Output => (HiddenSize, QuerySize),
        WeightKind.Gate or WeightKind.Up => (IntermediateSize, HiddenSize),
        WeightKind.Down => (HiddenSize, IntermediateSize),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "This is no place of a tensor."),
    };
}
