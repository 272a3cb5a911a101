using TinyLora.Tokenization;

namespace TinyLora.Conversation;

/// <summary>A tokenizer as the generation of text uses it.</summary>
internal sealed class TokenizerText(Tokenizer tokenizer) : ITextTokens
{
    private TokenStreamDecoder _decoder = new(tokenizer);

    public int MaxTextBytes => tokenizer.MaxTokenBytes + 4;

    public int MaxTokenCount(int utf8Length) => tokenizer.MaxTokenCount(utf8Length);

    public int Encode(PromptText prompt, Span<int> tokens) => tokenizer.Encode(prompt.Utf8, tokens, prompt.TemplateRanges);

    public bool IsEndOfGeneration(int token) => IsKnown(token) && tokenizer.IsEndOfGeneration(token);

    public void BeginText() => _decoder = new TokenStreamDecoder(tokenizer);

    public int Append(int token, Span<byte> utf8) => IsKnown(token) ? _decoder.Append(token, utf8) : 0;

    public int Flush(Span<byte> utf8) => _decoder.Flush(utf8);

    /// <summary>The weights may have more rows than there are tokens: padding, which has no text.</summary>
    private bool IsKnown(int token) => token < tokenizer.VocabularySize;
}
