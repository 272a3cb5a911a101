namespace TinyLora.Tests.Goldens;

/// <summary>Which golden models the runtime covers; every other is refused by name.</summary>
internal static class CoveredModels
{
    private static readonly string[] Refused =
        ["gemma", "phi3", "granite", "olmo2", "smollm3", "starcoder2", "gpt-neox"];

    public static bool Gguf(string name) => Folder(name) && !name.EndsWith("Q2_K", StringComparison.Ordinal) && !name.EndsWith("Q3_K", StringComparison.Ordinal);

    public static bool Folder(string name) => !Refused.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal));
}
