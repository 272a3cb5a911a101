using System.Diagnostics.CodeAnalysis;

namespace TinyLora.Files;

/// <summary>
/// A safetensors file, mapped. The data of the tensors must fill the file without holes or overlaps, as the reference
/// implementation demands. Specification: github.com/huggingface/safetensors.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, TensorEntry> _names;

    private SafetensorsFile(MappedFile file, SafetensorsHeader header)
    {
        _file = file;
        _names = header.Names;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
    }

    /// <summary>Path that it was opened by.</summary>
    public string Path => _file.Path;

    /// <summary>Bytes of the file.</summary>
    public long Length => _file.Length;

    /// <summary>In the order of their data.</summary>
    public IReadOnlyList<TensorEntry> Tensors { get; }

    /// <summary>The strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Maps a file and checks it.</summary>
    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    /// <exception cref="InvalidDataException">It is no safetensors file, or a damaged one.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = new MappedFile(path);
        try
        {
            return new SafetensorsFile(file, SafetensorsHeader.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The tensor of this name.</summary>
    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorEntry? tensor) => _names.TryGetValue(name, out tensor);

    /// <summary>Unmaps the file: tensors from it must not be used any more.</summary>
    public void Dispose() => _file.Dispose();
}
