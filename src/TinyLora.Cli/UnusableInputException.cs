namespace TinyLora.Cli;

/// <summary>The command was right, but what it names cannot be used: one line on standard error, exit code 1.</summary>
internal sealed class UnusableInputException(string message) : Exception(message);
