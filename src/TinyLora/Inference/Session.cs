using TinyLora.Adapters;

namespace TinyLora.Inference;

/// <summary>How a session is created.</summary>
public sealed record SessionOptions
{
    /// <summary>Tokens that the session can hold; 0: the model's context length, at most 4096.</summary>
    public int ContextLength { get; init; }
    /// <summary>Keep keys and values of an earlier adapter set instead of computing them again (not equal to a fresh session).</summary>
    public bool KeepCache { get; init; }
}

/// <summary>One sequence: its tokens, its keys and values, its adapters. Not for use by two threads at once. No call allocates.</summary>
public sealed class Session : IDisposable
{
    public Model Model => throw new NotImplementedException();
    /// <summary>Tokens that the session can hold.</summary>
    public int ContextLength => throw new NotImplementedException();
    /// <summary>Tokens that it holds.</summary>
    public int Position => throw new NotImplementedException();
    /// <summary>The tokens that it holds, [Position].</summary>
    public ReadOnlySpan<int> Tokens => throw new NotImplementedException();
    /// <summary>This session's own adapters; until it is first changed, the model's.</summary>
    public AdapterSet Adapters => throw new NotImplementedException();
    /// <summary>Appends tokens and returns the logits after the last, [VocabularySize]; valid until the next call.</summary>
    /// <exception cref="ArgumentException">No tokens, one outside the vocabulary, or more than fit.</exception>
    public ReadOnlySpan<float> Prefill(ReadOnlySpan<int> tokens) => throw new NotImplementedException();
    /// <summary>Appends tokens and writes the logits after each of the last n, [n, VocabularySize], n = logits.Length / VocabularySize.</summary>
    public void Prefill(ReadOnlySpan<int> tokens, Span<float> logits) => throw new NotImplementedException();
    /// <summary>Appends one token and returns the logits after it, [VocabularySize]; valid until the next call.</summary>
    public ReadOnlySpan<float> Decode(int token) => throw new NotImplementedException();
    /// <summary>Forgets all tokens from <paramref name="position"/> on.</summary>
    public void Rewind(int position) => throw new NotImplementedException();
    public void Dispose() => throw new NotImplementedException();
}
