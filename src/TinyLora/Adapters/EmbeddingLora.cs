namespace TinyLora.Adapters;

/// <summary>LoRA on the token embedding: x = E[token] + Scale · Scaling · B A[token].</summary>
internal unsafe struct EmbeddingLora
{
    /// <summary>0: none.</summary>
    public int Rank;
    public float Scaling;
    /// <summary>[VocabularySize, Rank]</summary>
    public float* A;
    /// <summary>[Rank, HiddenSize]</summary>
    public float* B;
    /// <summary>[HiddenSize]: DoRA's m, whose norms run over the vocabulary; null without DoRA.</summary>
    public float* Magnitude;
    public GainTerms Terms;
}
