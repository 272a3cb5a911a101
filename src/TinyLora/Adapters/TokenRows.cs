namespace TinyLora.Adapters;

/// <summary>Rows of the embedding or the head that stand in for the base's.</summary>
internal unsafe struct TokenRows
{
    public int Count;
    /// <summary>[Count], ascending.</summary>
    public int* Tokens;
    /// <summary>[Count, HiddenSize]</summary>
    public float* Rows;

    /// <summary>Where a token stands, or -1.</summary>
    public readonly int Find(int token) => Math.Max(-1, new ReadOnlySpan<int>(Tokens, Count).BinarySearch(token));
}
