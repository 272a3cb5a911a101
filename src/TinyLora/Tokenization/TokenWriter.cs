namespace TinyLora.Tokenization;

/// <summary>Writes tokens one after the other into the caller's span.</summary>
internal ref struct TokenWriter(Span<int> tokens)
{
    private readonly Span<int> _tokens = tokens;

    public int Count { get; private set; }

    public void Write(int token)
    {
        if ((uint)Count >= (uint)_tokens.Length) ThrowTooShort();
        _tokens[Count++] = token;
    }

    private readonly void ThrowTooShort() =>
        throw new ArgumentException($"The span holds {_tokens.Length} tokens, the text has more; MaxTokenCount is enough.", "tokens");
}
