using TinyLora.Adapters;
using TinyLora.Files;

namespace TinyLora.Cli.Inspection;

/// <summary>Tells adapters from models by what is in them.</summary>
internal static class ContentKind
{
    private const string ModelConfigName = "config.json";

    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    public static bool IsAdapter(string path)
    {
        if (Directory.Exists(path)) return IsAdapterFolder(path);
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file or folder.", path);
        if (!GgufFile.IsGguf(path)) return Path.GetFileName(path) != ModelConfigName && !HoldsWeights(path);
        using var file = GgufFile.Open(path);
        return file.TryGetString("general.type", out var type) && type == "adapter";
    }

    private static bool IsAdapterFolder(string path)
    {
        if (File.Exists(Path.Combine(path, AdapterFile.ConfigName))) return true;
        if (File.Exists(Path.Combine(path, ModelConfigName))) return false;
        foreach (var folder in Directory.EnumerateDirectories(path))
            if (File.Exists(Path.Combine(folder, AdapterFile.ConfigName))) return true;
        return false;
    }

    /// <summary>Whether it is a safetensors file of a model's weights.</summary>
    private static bool HoldsWeights(string path)
    {
        if (!File.Exists(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, ModelConfigName))) return false;
        try
        {
            using var file = SafetensorsFile.Open(path);
            foreach (var tensor in file.Tensors)
                if (tensor.Name.Contains("lora_", StringComparison.Ordinal)) return false;
            return true;
        }
        catch (InvalidDataException)
        {
            // Torch's files, and what is nothing at all: the reader of adapters says what.
            return false;
        }
    }
}
