using TinyLora.Files;

namespace TinyLora.Adapters;

/// <summary>The tensors of an adapter's weight file, whatever its container; valid until it is disposed.</summary>
internal sealed class AdapterTensors : IDisposable
{
    private readonly IDisposable _file;

    private AdapterTensors(string path, IDisposable file, IReadOnlyList<TensorEntry> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        Path = path;
        _file = file;
        Tensors = tensors;
        Metadata = metadata;
    }

    public string Path { get; }

    public IReadOnlyList<TensorEntry> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file of tensors by what it holds.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or none of the formats that are read.</exception>
    public static AdapterTensors Open(string path)
    {
        var file = SafetensorsFile.Open(path);
        return new AdapterTensors(path, file, file.Tensors, file.Metadata);
    }

    public void Dispose() => _file.Dispose();
}
