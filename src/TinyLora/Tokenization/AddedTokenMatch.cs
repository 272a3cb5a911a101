namespace TinyLora.Tokenization;

/// <summary>Where a text has a special token: the bytes from Start to End, which are not encoded otherwise.</summary>
/// <param name="TakesPrefix">Whether it stands for the space prefix of the text too.</param>
internal readonly record struct AddedTokenMatch(int Start, int End, int Token, bool TakesPrefix);
