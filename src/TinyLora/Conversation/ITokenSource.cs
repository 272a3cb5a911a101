using TinyLora.Adapters;

namespace TinyLora.Conversation;

/// <summary>What the generation of text needs of a session.</summary>
internal interface ITokenSource
{
    /// <summary>Count of logits.</summary>
    int VocabularySize { get; }

    /// <summary>Tokens that it can hold.</summary>
    int ContextLength { get; }

    /// <summary>Tokens that it holds.</summary>
    ReadOnlySpan<int> Tokens { get; }

    /// <summary>Appends tokens; the logits after the last, [VocabularySize], valid until the next call.</summary>
    ReadOnlySpan<float> Prefill(ReadOnlySpan<int> tokens);

    /// <summary>Appends one token; the logits after it, [VocabularySize], valid until the next call.</summary>
    ReadOnlySpan<float> Decode(int token);

    /// <summary>Tokens that the last call did not compute again.</summary>
    int ReusedCount { get; }

    /// <summary>The adapters that the last step saw; made anew at each call.</summary>
    AppliedAdapter[] TakeApplied();

    /// <summary>Forgets all tokens from the position on.</summary>
    void Rewind(int position);
}
