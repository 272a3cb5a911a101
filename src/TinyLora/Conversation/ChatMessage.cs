namespace TinyLora.Conversation;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who says it: <see cref="System"/>, <see cref="User"/>, <see cref="Assistant"/>, or another role that the template knows.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>The role of instructions to the model.</summary>
    public const string System = "system";

    /// <summary>The role of the person.</summary>
    public const string User = "user";

    /// <summary>The role of the model.</summary>
    public const string Assistant = "assistant";
}
