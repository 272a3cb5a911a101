using System.Buffers.Binary;
using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Weights;

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

    /// <summary>The hash of the base that the file was saved for, or null.</summary>
    /// <exception cref="InvalidDataException">It is none that is known.</exception>
    public ModelHash? ReadBaseHash() => Metadata.TryGetValue(ModelHash.Key, out var text) ? ParseBaseHash(Path, text) : null;

    /// <exception cref="InvalidDataException">It is none that is known.</exception>
    public static ModelHash ParseBaseHash(string path, string text)
    {
        if (!ModelHash.TryParse(text, out var hash)) Throw.BadFile(path, ModelHash.Key, text, "norms-sha256: or weights-sha256: and 64 hexadecimal digits");
        return hash;
    }

    /// <summary>Opens a safetensors file or one of torch's, by what it holds.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or none of the formats that are read.</exception>
    public static AdapterTensors Open(string path)
    {
        Span<byte> start = stackalloc byte[16];
        start = start[..Read(path, start)];
        // A safetensors file may begin with the bytes of torch's, the length of its header; but then the header's brace follows.
        var isHeader = start.Length > 8 && start[8] == '{';
        if (!isHeader && TorchFile.IsTorch(start))
        {
            var torch = TorchFile.Open(path);
            return new AdapterTensors(path, torch, torch.Tensors, new Dictionary<string, string>());
        }
        // Text would begin with the length of an exabyte.
        if (!isHeader && start.Length == 16 && BinaryPrimitives.ReadUInt64LittleEndian(start) >> 40 != 0) Throw.BadFile(path, "format", "neither GGUF nor safetensors nor a file of torch's", "an adapter in one of them");
        var file = SafetensorsFile.Open(path);
        return new AdapterTensors(path, file, file.Tensors, file.Metadata);
    }

    public void Dispose() => _file.Dispose();

    private static int Read(string path, Span<byte> start)
    {
        if (!File.Exists(path)) return 0;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        return stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
    }
}
