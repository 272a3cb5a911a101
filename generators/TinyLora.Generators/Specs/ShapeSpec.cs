namespace TinyLora.Generators.Specs;

/// <summary>Which two channels of a head a rotation pairs; as TinyLora.Weights.RotaryLayout.</summary>
internal enum RotaryLayout : byte
{
    Interleaved,
    Halves,
}

/// <summary>The sizes and constants of a model; the members are those of TinyLora.Weights.ModelShape.</summary>
internal sealed record ShapeSpec
{
    public string Architecture { get; init; } = "";
    public int HiddenSize { get; init; }
    public int IntermediateSize { get; init; }
    public int LayerCount { get; init; }
    public int HeadCount { get; init; }
    public int KeyValueHeadCount { get; init; }
    public int HeadSize { get; init; }
    public int VocabularySize { get; init; }
    public int ContextLength { get; init; }
    public float RmsNormEpsilon { get; init; }
    public double RopeTheta { get; init; }
    public RotaryLayout RotaryLayout { get; init; }
    public int SlidingWindow { get; init; }
    public int SlidingWindowFirstLayer { get; init; }
    public bool TiedEmbedding { get; init; }
    public bool HasQueryKeyNorm { get; init; }

    public int QuerySize => HeadCount * HeadSize;
    public int KeyValueSize => KeyValueHeadCount * HeadSize;

    /// <summary>Rows of the matrix in this role.</summary>
    public int Rows(LinearRole role) => role switch
    {
        LinearRole.Query => QuerySize,
        LinearRole.Key or LinearRole.Value => KeyValueSize,
        LinearRole.Gate or LinearRole.Up => IntermediateSize,
        LinearRole.Head => VocabularySize,
        _ => HiddenSize,
    };

    /// <summary>Columns of the matrix in this role.</summary>
    public int Columns(LinearRole role) => role switch
    {
        LinearRole.Output => QuerySize,
        LinearRole.Down => IntermediateSize,
        _ => HiddenSize,
    };
}
