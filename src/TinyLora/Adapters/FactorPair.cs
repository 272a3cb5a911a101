namespace TinyLora.Adapters;

/// <summary>A [Rank, In] and B [Out, Rank] of one combined module, row after row.</summary>
internal readonly record struct FactorPair(int Rank, float[] A, float[] B);
