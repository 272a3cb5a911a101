namespace TinyLora.Conversation;

/// <summary>What the generation of text needs of a tokenizer.</summary>
internal interface ITextTokens
{
    /// <summary>Tokens that so many bytes give at most.</summary>
    int MaxTokenCount(int utf8Length);

    /// <summary>Writes the tokens of a prompt, special ones only from the template's own text, and returns how many.</summary>
    int Encode(PromptText prompt, Span<int> tokens);

    /// <summary>Whether the token ends an answer.</summary>
    bool IsEndOfGeneration(int token);

    /// <summary>Bytes that <see cref="Append"/> or <see cref="Flush"/> write at most.</summary>
    int MaxTextBytes { get; }

    /// <summary>Begins a new answer.</summary>
    void BeginText();

    /// <summary>Writes the characters that the token completes and returns their bytes.</summary>
    int Append(int token, Span<byte> utf8);

    /// <summary>Writes what is left at the end.</summary>
    int Flush(Span<byte> utf8);
}
