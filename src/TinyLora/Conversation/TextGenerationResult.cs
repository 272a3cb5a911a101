using TinyLora.Adapters;

namespace TinyLora.Conversation;

/// <summary>An answer, and what it took.</summary>
public sealed record TextGenerationResult
{
    /// <summary>The answer, without special tokens and stop sequences.</summary>
    public required string Text { get; init; }

    /// <summary>Why it ended.</summary>
    public required StopReason StopReason { get; init; }

    /// <summary>The whole prompt's tokens, those of earlier turns included.</summary>
    public required IReadOnlyList<int> PromptTokens { get; init; }

    /// <summary>Count of the whole prompt's tokens.</summary>
    public int PromptTokenCount => PromptTokens.Count;

    /// <summary>How many of them the cache already held, as the adapters of now make them.</summary>
    public required int CachedTokenCount { get; init; }

    /// <summary>The answer's tokens as they were chosen, with the one that ended it.</summary>
    public required IReadOnlyList<int> GeneratedTokens { get; init; }

    /// <summary>Count of the answer's tokens.</summary>
    public int GeneratedTokenCount => GeneratedTokens.Count;

    /// <summary>The adapters that were on when the answer's first token was chosen, each with its strength then, in the order in which they were added; empty: the base model.</summary>
    /// <remarks>One of scale 0, and one that waits for invocation tokens which are not in the prompt, do nothing and do not stand here.</remarks>
    public IReadOnlyList<AppliedAdapter> Adapters { get; init; } = [];

    /// <summary>Time that the prompt took.</summary>
    public required TimeSpan PromptDuration { get; init; }

    /// <summary>Time that the answer took, after the prompt.</summary>
    public required TimeSpan GenerationDuration { get; init; }

    /// <summary>Time from the call to the result.</summary>
    public TimeSpan Duration => PromptDuration + GenerationDuration;

    /// <summary>Prompt tokens a second, the cached ones left out.</summary>
    public double PromptProcessingRate => Rate(PromptTokenCount - CachedTokenCount, PromptDuration);

    /// <summary>Tokens of the answer a second.</summary>
    public double TokenGenerationRate => Rate(GeneratedTokenCount, GenerationDuration);

    private static double Rate(int count, TimeSpan duration) => duration > TimeSpan.Zero ? count / duration.TotalSeconds : 0.0;
}
