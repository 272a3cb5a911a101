using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>A model file and the adapters beside it, in the folder that <c>--model</c> names.</summary>
internal sealed class CheckedModel
{
    private readonly string _path;
    private readonly string[] _adapterPaths;

    private CheckedModel(string path, string[] adapterPaths) => (_path, _adapterPaths) = (path, adapterPaths);

    public string Name => Path.GetFileName(_path);

    /// <summary>The GGUF models right in the folder; the adapters are the first two PEFT files below it, by name.</summary>
    /// <exception cref="CheckFailedException">There is no model or fewer than two adapters.</exception>
    public static List<CheckedModel> Find(string folder)
    {
        string[] adapters = [.. Directory.GetFiles(folder, "adapter_model.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Take(2)];
        List<CheckedModel> models = [.. Directory.GetFiles(folder, "*.gguf").Order(StringComparer.Ordinal).Select(path => new CheckedModel(path, adapters))];
        return models.Count > 0 && adapters.Length == 2
            ? models
            : throw new CheckFailedException($"{folder}: {models.Count} GGUF models and {adapters.Length} adapters, expected one or more and two");
    }

    public Model Open(InstructionSet? set = null, int threadCount = 2) =>
        Model.Open(_path, new ModelOptions { InstructionSet = set, ThreadCount = threadCount });

    public LoraAdapter[] LoadAdapters() => [.. _adapterPaths.Select(path => new LoraAdapter(path))];
}
