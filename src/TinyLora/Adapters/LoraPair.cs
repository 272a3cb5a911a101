using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>What an adapter adds to one projection: Scaling · B A, A [Rank, In], B [Out, Rank].</summary>
internal sealed class LoraPair(WeightKind kind, int layer, LoraMatrix a, LoraMatrix b, double alpha, float scaling)
{
    public WeightKind Kind { get; } = kind;

    public int Layer { get; } = layer;

    public LoraMatrix A { get; } = a;

    public LoraMatrix B { get; } = b;

    public double Alpha { get; } = alpha;

    /// <summary>Alpha / Rank, Alpha / √Rank, or what else the file asks for; the user's scale comes on top.</summary>
    public float Scaling { get; } = scaling;

    public int Rank => A.Rows;
}
