using TinyLora.Conversation;
using TinyLora.Inference;

namespace TinyLora.Cli;

/// <summary>The tokens of a prompt.</summary>
internal static class PromptTokens
{
    /// <param name="model">Its tokenizer, chat template and context length count.</param>
    /// <param name="text">What is said.</param>
    /// <param name="system">Instructions to the model, or null.</param>
    /// <param name="raw">Without the chat template: special tokens in the text are recognised.</param>
    public static int[] Encode(Model model, string text, string? system, bool raw)
    {
        var tokens = raw ? model.Tokenizer.Encode(text, special: true, begin: true) : EncodeChat(model, text, system);
        return Check(model, tokens);
    }

    /// <exception cref="UnusableInputException">There are none, they are too many, or one is outside the vocabulary.</exception>
    public static int[] Check(Model model, int[] tokens)
    {
        if (tokens.Length == 0) throw new UnusableInputException("the prompt has no tokens.");
        if (tokens.Length > model.Shape.ContextLength)
            throw new UnusableInputException($"the prompt has {tokens.Length} tokens, the context of {model.Path} only {model.Shape.ContextLength}.");
        foreach (var token in tokens)
            if ((uint)token >= (uint)model.Shape.VocabularySize)
                throw new UnusableInputException($"token {token} is outside the vocabulary of {model.Path}, which has {model.Shape.VocabularySize}.");
        return tokens;
    }

    private static int[] EncodeChat(Model model, string text, string? system)
    {
        var source = ChatTemplateSource.Find(model.Path)
            ?? throw new UnusableInputException($"{model.Path}: found no chat template, expected one to answer; with --raw the model goes on with the text.");
        var template = source.Parse();
        var user = new ChatMessage(ChatMessage.User, text);
        var prompt = new PromptText();
        template.Render(system == null ? [user] : [new ChatMessage(ChatMessage.System, system), user], addGenerationPrompt: true, prompt);
        var tokenizer = new TokenizerText(model.Tokenizer);
        var tokens = new int[tokenizer.MaxTokenCount(prompt.Utf8.Length)];
        return tokens[..tokenizer.Encode(prompt, tokens)];
    }
}
