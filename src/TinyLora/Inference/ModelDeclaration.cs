using System.ComponentModel;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>What a generated model class was compiled for; every file that it opens is compared with it.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public sealed class ModelDeclaration
{
    private static readonly string[] RoleNames = ["query", "key", "value", "output", "gate", "up", "down"];

    /// <summary>The generated class, for messages.</summary>
    public required string ClassName { get; init; }
    /// <inheritdoc cref="ModelShape.Architecture"/>
    public required string Architecture { get; init; }
    /// <inheritdoc cref="ModelShape.HiddenSize"/>
    public required int HiddenSize { get; init; }
    /// <inheritdoc cref="ModelShape.IntermediateSize"/>
    public required int IntermediateSize { get; init; }
    /// <inheritdoc cref="ModelShape.LayerCount"/>
    public required int LayerCount { get; init; }
    /// <inheritdoc cref="ModelShape.HeadCount"/>
    public required int HeadCount { get; init; }
    /// <inheritdoc cref="ModelShape.KeyValueHeadCount"/>
    public required int KeyValueHeadCount { get; init; }
    /// <inheritdoc cref="ModelShape.HeadSize"/>
    public required int HeadSize { get; init; }
    /// <inheritdoc cref="ModelShape.VocabularySize"/>
    public required int VocabularySize { get; init; }
    /// <summary>Format of the embedding.</summary>
    public required ElementType Embedding { get; init; }
    /// <summary>Format of the head; the embedding's where tied.</summary>
    public required ElementType Head { get; init; }
    /// <summary>Query, key, value, output, gate, up, down of each layer.</summary>
    public required ElementType[][] Layers { get; init; }

    internal List<string> Compare(ModelWeights weights)
    {
        var differences = new List<string>();
        var shape = weights.Shape;
        void Check<T>(string what, T found, T expected)
            where T : IEquatable<T>
        {
            if (!found.Equals(expected)) differences.Add($"{what}: found {found}, expected {expected}");
        }
        Check("architecture", shape.Architecture, Architecture);
        Check("hidden size", shape.HiddenSize, HiddenSize);
        Check("intermediate size", shape.IntermediateSize, IntermediateSize);
        Check("layers", shape.LayerCount, LayerCount);
        Check("heads", shape.HeadCount, HeadCount);
        Check("key/value heads", shape.KeyValueHeadCount, KeyValueHeadCount);
        Check("head size", shape.HeadSize, HeadSize);
        Check("vocabulary", shape.VocabularySize, VocabularySize);
        Check("embedding format", weights.Embedding.Type.ToString(), Embedding.ToString());
        Check("head format", weights.Head.Type.ToString(), Head.ToString());
        for (var i = 0; i < Math.Min(Layers.Length, weights.Layers.Length); i++)
        {
            var layer = weights.Layers[i];
            ReadOnlySpan<ElementType> found = [layer.Query.Type, layer.Key.Type, layer.Value.Type, layer.Output.Type, layer.Gate.Type, layer.Up.Type, layer.Down.Type];
            for (var role = 0; role < found.Length; role++) Check($"layer {i} {RoleNames[role]} format", found[role].ToString(), Layers[i][role].ToString());
        }
        return differences;
    }
}
