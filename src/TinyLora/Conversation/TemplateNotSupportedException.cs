namespace TinyLora.Conversation;

/// <summary>A template uses what is not understood: it is refused instead of rendered wrongly.</summary>
internal sealed class TemplateNotSupportedException(string message) : Exception(message);
