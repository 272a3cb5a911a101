namespace TinyLora.Tokenization;

/// <summary>Where a text has a special token: bytes that are not encoded otherwise.</summary>
/// <param name="Start">First byte.</param>
/// <param name="End">Byte behind the last.</param>
/// <param name="Token">The token.</param>
/// <param name="TakesPrefix">Whether it stands for the space prefix of the text too.</param>
internal readonly record struct AddedTokenMatch(int Start, int End, int Token, bool TakesPrefix);
