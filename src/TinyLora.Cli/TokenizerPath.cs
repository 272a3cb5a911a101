using TinyLora.Files;

namespace TinyLora.Cli;

/// <summary>Where the tokenizer of a model lies: a model may also be named by its config.json or its weights.</summary>
internal static class TokenizerPath
{
    public static string Of(string model)
    {
        var isPart = Path.GetFileName(model) == "config.json" || model.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase);
        return isPart && File.Exists(model) && !GgufFile.IsGguf(model) ? Path.GetDirectoryName(Path.GetFullPath(model))! : model;
    }
}
