using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>What an adapter does to one projection of one layer: y = W x + Scale · Scaling · B (A x).</summary>
/// <param name="Layer">Layer, from 0; -1 for the embedding and the head.</param>
/// <param name="Projection">The projection's usual name: <c>q_proj</c>, <c>down_proj</c>.</param>
/// <param name="Rank">Rows of A and columns of B.</param>
/// <param name="InputSize">Columns of A.</param>
/// <param name="OutputSize">Rows of B.</param>
/// <param name="Alpha">Numerator of the scaling.</param>
/// <param name="Scaling">Alpha / Rank, or Alpha / √Rank for rank-stabilised LoRA.</param>
/// <param name="TypeOfA">How A is stored.</param>
/// <param name="TypeOfB">How B is stored.</param>
public readonly record struct LoraTarget(
    int Layer, string Projection, int Rank, int InputSize, int OutputSize, double Alpha, float Scaling, ElementType TypeOfA, ElementType TypeOfB);
