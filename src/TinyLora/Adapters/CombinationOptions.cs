namespace TinyLora.Adapters;

/// <summary>What the methods of <see cref="AdapterCombination"/> need beside the adapters.</summary>
public sealed class CombinationOptions
{
    /// <summary>The rank of the Svd forms; 0: the largest of the adapters.</summary>
    public int Rank { get; init; }

    /// <summary>The share of the numbers that pruning keeps, above 0 up to 1; needed by the Ties, Dare and MagnitudePrune forms.</summary>
    public double Density { get; init; }

    /// <summary>Whether Ties elects the sign that most adapters have, instead of that of their sum.</summary>
    public bool SignByFrequency { get; init; }

    /// <summary>A quantile of all numbers of both factors, 0 to 1, to whose size the Svd forms limit them; null: none.</summary>
    public double? Clamp { get; init; }

    /// <summary>Of the random masks of the Dare forms: the same seed gives the same adapter anywhere.</summary>
    public ulong Seed { get; init; }
}
