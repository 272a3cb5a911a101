using System.Text;

namespace TinyLora.Conversation;

/// <summary>
/// Turns messages into the prompt that a model was trained on, byte for byte as its own template does in a conversation without tools.
/// </summary>
/// <remarks>
/// A template of another family, or one that does what is not understood, is refused: a wrong prompt is worse than none. The date of the
/// Llama 3 templates is the one that stands in them unless <see cref="Date"/> is set, so that a conversation is the same on any day.
/// </remarks>
public sealed class ChatTemplate
{
    private const int MaxCharacters = 1 << 18;
    private const int MaxMessagePart = 60;

    private readonly TemplateNode[] _nodes;
    private readonly string _beginOfText, _endOfText;

    private ChatTemplate(ChatTemplateFamily family, TemplateNode[] nodes, string beginOfText, string endOfText) =>
        (Family, _nodes, _beginOfText, _endOfText) = (family, nodes, beginOfText, endOfText);

    /// <summary>The family that the template is of.</summary>
    public ChatTemplateFamily Family { get; }

    /// <summary>The date for templates that write one (<c>date_string</c>), as in "26 Jul 2024"; null: the one that stands in the template.</summary>
    public string? Date { get; set; }

    /// <summary>Whether the model shall think first, for templates that know the choice (<c>enable_thinking</c>); null: the template's own choice.</summary>
    public bool? EnableThinking { get; set; }

    /// <summary>Reads a template.</summary>
    /// <param name="source">The template's text, as in <c>tokenizer.chat_template</c> or <c>chat_template.jinja</c>.</param>
    /// <param name="beginOfText">Text of the token that begins a text (<c>bos_token</c>); empty if the model has none.</param>
    /// <param name="endOfText">Text of the token that ends a text (<c>eos_token</c>); empty if the model has none.</param>
    /// <exception cref="InvalidDataException">The template is of none of the families, named in the message, or does what is not understood.</exception>
    public static ChatTemplate Parse(string source, string beginOfText, string endOfText)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(beginOfText);
        ArgumentNullException.ThrowIfNull(endOfText);
        if (source.Length > MaxCharacters)
            throw new InvalidDataException($"A chat template of {source.Length} characters; at most {MaxCharacters} are expected.");
        if (ChatTemplateFeatures.Recognize(source, out var name) is not { } family)
            throw new InvalidDataException($"The chat template \"{OneLine(name)}\" is not supported; expected one of ChatML, Llama 2, Llama 3, Mistral, Zephyr.");
        try
        {
            var template = new ChatTemplate(family, TemplateParser.Parse(source), beginOfText, endOfText);
            template.Probe();
            return template;
        }
        catch (TemplateNotSupportedException unknown)
        {
            throw Refusal(family, unknown);
        }
    }

    /// <summary>Renders the prompt.</summary>
    /// <param name="messages">The conversation, oldest first; at least one.</param>
    /// <param name="addGenerationPrompt">Whether the beginning of the model's answer is added.</param>
    /// <exception cref="ArgumentException">No messages, or the template refuses them (its own words are the message).</exception>
    /// <exception cref="InvalidDataException">The template does with these messages what is not understood.</exception>
    public string Render(ReadOnlySpan<ChatMessage> messages, bool addGenerationPrompt)
    {
        var text = new StringBuilder();
        foreach (var piece in RenderPieces(messages, addGenerationPrompt)) text.Append(piece.Text);
        return text.ToString();
    }

    /// <summary>The same in UTF-8, with the ranges of the template's own text, where alone special tokens count.</summary>
    internal void Render(ReadOnlySpan<ChatMessage> messages, bool addGenerationPrompt, PromptText prompt)
    {
        prompt.Clear();
        foreach (var piece in RenderPieces(messages, addGenerationPrompt)) prompt.Append(piece.Text, piece.IsContent);
    }

    private List<TemplatePiece> RenderPieces(ReadOnlySpan<ChatMessage> messages, bool addGenerationPrompt)
    {
        if (messages.Length == 0) throw new ArgumentException("A prompt needs at least one message.", nameof(messages));
        var list = new List<object?>(messages.Length);
        foreach (var message in messages) list.Add(message ?? throw new ArgumentException("A message is null.", nameof(messages)));
        try
        {
            return Run(list, addGenerationPrompt);
        }
        catch (TemplateNotSupportedException unknown)
        {
            throw Refusal(Family, unknown);
        }
    }

    private List<TemplatePiece> Run(List<object?> messages, bool addGenerationPrompt)
    {
        var globals = new Dictionary<string, object?>(StringComparer.Ordinal)
        {
            ["messages"] = messages,
            ["add_generation_prompt"] = addGenerationPrompt,
            ["bos_token"] = TemplateText.Literal(_beginOfText),
            ["eos_token"] = TemplateText.Literal(_endOfText),
            // Given, and none: as Transformers does in a conversation without tools.
            ["tools"] = null,
            ["documents"] = null,
        };
        if (Date is not null) globals["date_string"] = TemplateText.Literal(Date);
        if (EnableThinking is { } thinking) globals["enable_thinking"] = thinking;
        var length = 0L;
        foreach (var message in messages) length += ((ChatMessage)message!).Content.Length;
        var run = new TemplateRun(globals, messages.Count, length);
        run.Execute(_nodes);
        return run.Output;
    }

    /// <summary>Renders conversations of the usual forms, so that what is not understood is refused now and not in the middle of a chat.</summary>
    private void Probe()
    {
        ChatMessage system = new(ChatMessage.System, "s"), user = new(ChatMessage.User, "u"), assistant = new(ChatMessage.Assistant, "a");
        ChatMessage[][] conversations = [[user], [user, assistant, user], [system, user], [system, user, assistant, user], [user, assistant]];
        foreach (var conversation in conversations)
        {
            for (var generation = 0; generation < 2; generation++)
            {
                try
                {
                    Run([.. conversation], generation == 1);
                }
                catch (ArgumentException)
                {
                    // The template itself refuses this form: Mistral's first ones, a system message.
                }
            }
        }
    }

    private static InvalidDataException Refusal(ChatTemplateFamily family, TemplateNotSupportedException unknown) =>
        new($"The chat template, a variant of {family}, is not supported: {OneLine(unknown.Message)} in it is not understood.", unknown);

    /// <summary>A stretch of a template in a message: not too long and without line ends.</summary>
    private static string OneLine(string text)
    {
        var line = string.Create(Math.Min(text.Length, MaxMessagePart), text, static (characters, source) =>
        {
            for (var i = 0; i < characters.Length; i++) characters[i] = char.IsControl(source[i]) ? ' ' : source[i];
        });
        return text.Length <= MaxMessagePart ? line : line + "…";
    }
}
