namespace TinyLora.Inference;

/// <summary>How a session is created.</summary>
public sealed record SessionOptions
{
    /// <summary>
    /// Tokens that the session can hold; 0: the model's context length, at most 4096. More than the model's own is allowed, since adapters and rope scalings
    /// stretch it, but what a model says beyond the length that it was made for is often worthless. Keys and values take their memory as they fill.
    /// </summary>
    public int ContextLength { get; init; }

    /// <summary>Tokens that the session alone computes together in a prefill, 1 to 128; a batch fills its passes. It changes no bit.</summary>
    public int ChunkLength { get; init; } = Activations.MaxRows;

    /// <summary>
    /// Keep keys and values that an earlier adapter set has made. Off, they are computed again after a change, so that what follows equals a fresh
    /// session with the new set; on, a change costs nothing and the past stays as the earlier set saw it.
    /// </summary>
    public bool KeepCache { get; init; }
}
