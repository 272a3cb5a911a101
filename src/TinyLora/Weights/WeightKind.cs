namespace TinyLora.Weights;

/// <summary>The places of a model's tensors. Those from <see cref="AttentionNorm"/> on stand in every layer.</summary>
internal enum WeightKind : byte
{
    Embedding,
    FinalNorm,
    Head,
    AttentionNorm,
    MlpNorm,
    QueryNorm,
    KeyNorm,
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
}
