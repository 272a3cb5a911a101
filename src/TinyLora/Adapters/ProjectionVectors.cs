namespace TinyLora.Adapters;

/// <summary>The vectors [Rows] that belong to one projection's B; null where there is none.</summary>
internal unsafe struct ProjectionVectors
{
    /// <summary>Added with B t, times the scale and the scaling.</summary>
    public float* BiasOfB;
    /// <summary>The base's own bias, which DoRA does not multiply.</summary>
    public float* BaseBias;
    /// <summary>DoRA's m; null without DoRA.</summary>
    public float* Magnitude;
    /// <summary>The three terms of the squared norms.</summary>
    public GainTerms Terms;
}

/// <summary>
/// Per row |W|², W·BA and |BA|², so that DoRA's gain m / |W + c BA| = m / √(|W|² + 2c W·BA + c² |BA|²) costs no pass over the matrices when the scale changes
/// (Liu et al., 2024, arXiv 2402.09353).
/// </summary>
internal unsafe struct GainTerms
{
    public float* Base;
    public float* Cross;
    public float* Delta;
}
