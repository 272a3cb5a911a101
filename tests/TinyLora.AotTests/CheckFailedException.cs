namespace TinyLora.AotTests;

/// <summary>What a check throws when it does not hold.</summary>
internal sealed class CheckFailedException(string message) : Exception(message);
