using System.Text.Json;
using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Adapters;

/// <summary>Finds out what an adapter's path holds, by content and not by name, and reads it.</summary>
internal static class AdapterFile
{
    public const string ConfigName = "adapter_config.json";
    public const string WeightsName = "adapter_model.safetensors";

    private const string MlxWeightsName = "adapters.safetensors";
    private const string TorchWeightsName = "adapter_model.bin";
    // Far above any real one, with thousands of modules by name.
    private const long MaxConfigBytes = 16 << 20;

    /// <param name="path">A folder or a file.</param>
    /// <param name="alpha">Alpha of a file that does not state it; null for the others.</param>
    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    /// <exception cref="InvalidDataException">It is no adapter, damaged, or asks for what is not supported.</exception>
    /// <exception cref="ArgumentException">Alpha is given and the file states its own.</exception>
    public static AdapterContent Read(string path, double? alpha)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path))
        {
            var folder = FindFolder(path);
            return Read(FindWeights(folder), Path.Combine(folder, ConfigName), alpha);
        }
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file or folder.", path);
        if (!GgufFile.IsGguf(path)) return Read(path, FindConfig(path), alpha);
        if (alpha != null) throw StatesItself(path);
        using var file = GgufFile.Open(path);
        return GgufAdapterFile.Read(file);
    }

    private static AdapterContent Read(string weights, string? configPath, double? alpha)
    {
        using var file = AdapterTensors.Open(weights);
        if (configPath == null)
        {
            if (alpha is { } stated) return PeftAdapterFile.Read(stated, file);
            Throw.BadFile(weights, "alpha", "no adapter_config.json beside the file",
                $"one there, or {Path.GetFileNameWithoutExtension(weights)}.json, or the alpha given to the constructor LoraAdapter(path, alpha)");
        }
        if (alpha != null) throw StatesItself(configPath);
        using var config = ReadConfig(configPath);
        try
        {
            return MlxAdapterFile.IsConfig(config.RootElement)
                ? MlxAdapterFile.Read(configPath, config.RootElement, file)
                : PeftAdapterFile.Read(configPath, config.RootElement, file);
        }
        catch (InvalidOperationException e)
        {
            Throw.BadJson(configPath, "configuration", e);
            throw;
        }
    }

    /// <summary>The folder itself, or the one folder in it that PEFT made for an adapter with a name.</summary>
    private static string FindFolder(string path)
    {
        if (File.Exists(Path.Combine(path, ConfigName))) return path;
        string? found = null;
        foreach (var folder in Directory.EnumerateDirectories(path))
        {
            if (!File.Exists(Path.Combine(folder, ConfigName))) continue;
            if (found != null) Throw.BadFile(path, "folder", $"several adapters ({Path.GetFileName(found)}, {Path.GetFileName(folder)})", "the path of one of them");
            found = folder;
        }
        if (found == null) Throw.BadFile(path, "folder", $"no {ConfigName}", "an adapter's folder");
        return found;
    }

    private static string FindWeights(string folder)
    {
        foreach (var name in (ReadOnlySpan<string>)[WeightsName, MlxWeightsName, TorchWeightsName])
            if (File.Exists(Path.Combine(folder, name))) return Path.Combine(folder, name);
        Throw.BadFile(folder, "folder", "no weights", WeightsName);
        return folder;
    }

    /// <summary>The configuration beside a file of weights, or null.</summary>
    public static string? FindConfig(string weights)
    {
        var own = Path.ChangeExtension(weights, ".json");
        if (File.Exists(own) && own != weights) return own;
        var beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(weights))!, ConfigName);
        return File.Exists(beside) ? beside : null;
    }

    private static JsonDocument ReadConfig(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > MaxConfigBytes) Throw.BadFile(path, "size", $"{length} bytes", $"at most {MaxConfigBytes}");
        try
        {
            var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            document.Dispose();
        }
        catch (JsonException e)
        {
            Throw.BadJson(path, "configuration", e);
        }
        Throw.BadFile(path, "configuration", "no object", "an object");
        return null;
    }

    private static ArgumentException StatesItself(string path) => new($"{path} states the alpha of the adapter itself: load it without one.");
}
