namespace TinyLora.Generators.Specs;

/// <summary>A file for the compilation.</summary>
internal sealed record GeneratedFile(string HintName, string Source);
