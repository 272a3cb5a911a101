namespace TinyLora.Conversation;

/// <summary>Why an answer ended.</summary>
public enum StopReason : byte
{
    /// <summary>The model ended it.</summary>
    EndOfGeneration,

    /// <summary>It reached <see cref="MultiTurnConversation.MaximumCompletionTokens"/>.</summary>
    MaxTokenLimitReached,

    /// <summary>One of <see cref="MultiTurnConversation.StopSequences"/> came; it is not part of the text.</summary>
    StopSequenceDetected,

    /// <summary>The context is full. With an empty text: the prompt alone does not fit, and the history is unchanged.</summary>
    ContextSizeLimitExceeded,

    /// <summary>The caller cancelled; the text is what came until then.</summary>
    CancellationRequested,
}
