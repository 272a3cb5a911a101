namespace TinyLora.Generators.Specs;

/// <summary>The weight format of every matrix of the model.</summary>
/// <param name="Layers">[LayerCount]</param>
internal sealed record FormatsSpec(WeightFormat Embedding, WeightFormat Head, EquatableArray<LayerFormatsSpec> Layers);

/// <summary>The weight formats of one transformer block.</summary>
internal sealed record LayerFormatsSpec(
    WeightFormat Query,
    WeightFormat Key,
    WeightFormat Value,
    WeightFormat Output,
    WeightFormat Gate,
    WeightFormat Up,
    WeightFormat Down)
{
    public WeightFormat this[LinearRole role] => role switch
    {
        LinearRole.Query => Query,
        LinearRole.Key => Key,
        LinearRole.Value => Value,
        LinearRole.Output => Output,
        LinearRole.Gate => Gate,
        LinearRole.Up => Up,
        LinearRole.Down => Down,
        _ => throw new ArgumentOutOfRangeException(nameof(role), role, "A block has no such matrix."),
    };
}
