namespace TinyLora.Adapters;

/// <summary>An adapter as a step took it: what an answer was made with, whatever becomes of the adapter afterwards.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Path">The path that it was read from.</param>
/// <param name="Scale">Its strength; never 0, which is off.</param>
/// <param name="FirstPosition">The first token of the sequence that it acts on: 0, but for an adapter whose invocation tokens stand further on.</param>
public readonly record struct AppliedAdapter(string Name, string Path, float Scale, int FirstPosition);
