namespace TinyLora.Adapters;

/// <summary>
/// How adapters are combined into one, module by module, over the adapters that have the module; wᵢ is an adapter's weight, sᵢ its scaling there.
/// The forms that end in Svd work on the products sᵢ BᵢAᵢ and factorise the result; the others on all A with sign(wᵢ) √|wᵢ sᵢ| and on all B with √|wᵢ sᵢ|, which does not
/// approximate the weighted sum. Names and formulas are PEFT's (<c>add_weighted_adapter</c>).
/// </summary>
public enum CombinationMethod
{
    /// <summary>A = rows wᵢ sᵢ Aᵢ, B = columns Bᵢ: exactly Σ wᵢ sᵢ BᵢAᵢ, of the summed rank.</summary>
    Cat,
    /// <summary>Weighted sums of the A and of the B.</summary>
    Linear,
    /// <summary>The best approximation of Σ wᵢ sᵢ BᵢAᵢ of a rank.</summary>
    Svd,
    /// <summary>Trimmed to the largest, one sign elected, means of those that agree with it (Yadav et al., 2023, arXiv 2306.01708).</summary>
    Ties,
    /// <summary><see cref="Ties"/> on the products.</summary>
    TiesSvd,
    /// <summary>Some numbers dropped at random and the rest enlarged, then <see cref="Linear"/> (Yu et al., 2023, arXiv 2311.03099).</summary>
    DareLinear,
    /// <summary>Some numbers dropped at random and the rest enlarged, then as <see cref="Ties"/>.</summary>
    DareTies,
    /// <summary><see cref="DareLinear"/> on the products.</summary>
    DareLinearSvd,
    /// <summary><see cref="DareTies"/> on the products.</summary>
    DareTiesSvd,
    /// <summary>Trimmed to the largest, then <see cref="Linear"/>.</summary>
    MagnitudePrune,
    /// <summary><see cref="MagnitudePrune"/> on the products.</summary>
    MagnitudePruneSvd,
}
