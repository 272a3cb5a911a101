using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>What a tensor of a model's file is.</summary>
internal readonly record struct TensorPlace(WeightKind Kind, int Layer, bool IsBias);
