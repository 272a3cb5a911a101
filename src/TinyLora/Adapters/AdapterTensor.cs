using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>A tensor of an adapter that is neither an A nor a B; a vector has one row.</summary>
/// <param name="Part">What it is.</param>
/// <param name="Kind">Which of the model's tensors it belongs to.</param>
/// <param name="Layer">Its layer; 0 for tensors of no layer.</param>
/// <param name="Matrix">The numbers.</param>
/// <param name="Tokens">The token of each row of <see cref="AdapterPart.TokenRows"/>; else empty.</param>
internal sealed record AdapterTensor(AdapterPart Part, WeightKind Kind, int Layer, LoraMatrix Matrix, int[] Tokens)
{
    /// <summary>Whether the numbers are used, and not only compared.</summary>
    public bool IsApplied => Part != AdapterPart.BaseCopy;

    /// <summary>Whether it stands in for something of the base, which two adapters cannot do at once.</summary>
    public bool Replaces => Part is AdapterPart.Bias or AdapterPart.Weight or AdapterPart.TokenRows;
}
