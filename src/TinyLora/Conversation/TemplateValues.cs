namespace TinyLora.Conversation;

/// <summary>What the variables of a template can be, besides null (none), bool, int, <see cref="TemplateText"/>, <see cref="ChatMessage"/> and lists of these.</summary>
internal sealed class Undefined
{
    public static Undefined Value { get; } = new();
}

/// <summary>What <c>namespace(…)</c> makes: variables that outlive a loop.</summary>
internal sealed class TemplateNamespace
{
    public Dictionary<string, object?> Variables { get; } = new(StringComparer.Ordinal);
}

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class TemplateLoop
{
    public required int Index { get; init; }

    public required int Count { get; init; }
}
