namespace TinyLora.Tokenization;

/// <summary>A token of <c>added_tokens</c>: its literal text and how it is recognised.</summary>
internal readonly record struct JsonAddedToken(byte[] Text, TokenAttributes Attributes);
