namespace TinyLora.Conversation;

/// <summary>Takes the next piece of an answer, whole characters in UTF-8; the span is valid during the call only.</summary>
public delegate void Utf8TextHandler(ReadOnlySpan<byte> utf8);
