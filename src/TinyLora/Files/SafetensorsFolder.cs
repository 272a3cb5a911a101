using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>The weights of a Hugging Face folder: <c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> names.</summary>
internal sealed class SafetensorsFolder : IDisposable
{
    public const string SingleName = "model.safetensors";
    public const string IndexName = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> _shards = [];
    private readonly Dictionary<string, TensorEntry> _names = new(StringComparer.Ordinal);
    private readonly List<TensorEntry> _tensors = [];
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private SafetensorsFolder(string path) => Path = path;

    public string Path { get; }

    public IReadOnlyList<TensorEntry> Tensors => _tensors;

    /// <summary>The <c>__metadata__</c> of all shards; the first one wins.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <param name="path">The folder.</param>
    /// <param name="file">A file in it that was asked for by name, or null: alone, or one of the shards.</param>
    /// <exception cref="FileNotFoundException">The folder holds neither, or a shard is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the index does not fit the shards.</exception>
    public static SafetensorsFolder Open(string path, string? file = null)
    {
        var folder = new SafetensorsFolder(path);
        try
        {
            var single = file ?? System.IO.Path.Combine(path, SingleName);
            var index = System.IO.Path.Combine(path, IndexName);
            var isShard = file != null && File.Exists(index) && ReadIndex(index).ContainsValue(System.IO.Path.GetFileName(file));
            if (File.Exists(single) && !isShard) folder.Add(single);
            else if (File.Exists(index)) folder.AddShards(index);
            else throw new FileNotFoundException($"{path}: neither {SingleName} nor {IndexName} in it.", single);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    public bool TryGetTensor(string name, [NotNullWhen(true)] out TensorEntry? tensor) => _names.TryGetValue(name, out tensor);

    public void Dispose()
    {
        foreach (var shard in _shards) shard.Dispose();
    }

    private void Add(string path)
    {
        var shard = SafetensorsFile.Open(path);
        _shards.Add(shard);
        foreach (var tensor in shard.Tensors)
        {
            if (!_names.TryAdd(tensor.Name, tensor)) Throw.BadFile(path, tensor.Name, $"the tensor also in {_names[tensor.Name].Path}", "it once");
            _tensors.Add(tensor);
        }
        foreach (var (key, value) in shard.Metadata) _metadata.TryAdd(key, value);
    }

    private void AddShards(string index)
    {
        var map = ReadIndex(index);
        var added = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (tensor, shard) in map)
        {
            // The separators of all systems, so that a folder is good or bad everywhere.
            if (shard.Length == 0 || shard is "." or ".." || shard.AsSpan().IndexOfAny("/\\:\0") >= 0)
                Throw.BadFile(index, tensor, $"shard '{shard}'", "the name of a file in the folder");
            var path = System.IO.Path.Combine(Path, shard);
            if (!added.Add(shard)) continue;
            if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file, but {index} names it.", path);
            Add(path);
        }
        foreach (var (tensor, shard) in map)
        {
            if (!_names.TryGetValue(tensor, out var entry)) Throw.BadFile(index, tensor, $"no such tensor in {shard}", "the index to fit the shards");
            if (System.IO.Path.GetFileName(entry.Path) != shard) Throw.BadFile(index, tensor, $"the tensor in {entry.Path}", $"it in {shard}");
        }
    }

    private static unsafe Dictionary<string, string> ReadIndex(string path)
    {
        using var file = new MappedFile(path);
        if (file.Length > int.MaxValue) Throw.BadFile(path, "size", $"{file.Length} bytes", $"at most {int.MaxValue}");
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        var found = false;
        try
        {
            var reader = new Utf8JsonReader(new ReadOnlySpan<byte>(file.Pointer, (int)file.Length));
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject) Throw.BadFile(path, "index", reader.TokenType.ToString(), "an object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isMap = reader.ValueTextEquals("weight_map"u8);
                reader.Read();
                if (!isMap)
                {
                    reader.Skip();
                    continue;
                }
                if (found || reader.TokenType != JsonTokenType.StartObject) Throw.BadFile(path, "weight_map", found ? "it twice" : reader.TokenType.ToString(), "one object");
                found = true;
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = reader.GetString()!;
                    reader.Read();
                    if (reader.TokenType != JsonTokenType.String) Throw.BadFile(path, name, reader.TokenType.ToString(), "a file name");
                    if (!map.TryAdd(name, reader.GetString()!)) Throw.BadFile(path, name, "the tensor twice", "once");
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            Throw.BadJson(path, "index", e);
        }
        if (map.Count == 0) Throw.BadFile(path, "weight_map", found ? "no tensors" : "nothing", "tensor names and their files");
        return map;
    }
}
