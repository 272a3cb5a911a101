namespace TinyLora.AotTests;

/// <summary>What a check throws when this machine or build cannot run it.</summary>
internal sealed class CheckSkippedException(string reason) : Exception(reason);
