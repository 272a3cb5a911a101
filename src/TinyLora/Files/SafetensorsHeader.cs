using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>
/// Reads and checks a safetensors header: a 64-bit length and as many bytes of JSON,
/// <c>{"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"key": "value"}}</c>.
/// </summary>
internal sealed unsafe class SafetensorsHeader
{
    private const int LengthBytes = 8;
    private const long MaxHeaderBytes = 100_000_000; // reference implementation
    private const string MetadataKey = "__metadata__";

    private readonly MappedFile _file;
    private readonly string _path;
    private readonly long _start;

    private SafetensorsHeader(MappedFile file, long start)
    {
        _file = file;
        _path = file.Path;
        _start = start;
    }

    public Dictionary<string, TensorEntry> Names { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);
    public List<TensorEntry> Tensors { get; } = [];

    public static SafetensorsHeader Read(MappedFile file)
    {
        if (file.Length < LengthBytes) Throw.BadFile(file.Path, "header length", $"{file.Length} bytes", $"{LengthBytes}");
        var bytes = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(file.Pointer, LengthBytes));
        if (bytes > MaxHeaderBytes) Throw.BadFile(file.Path, "header length", $"{bytes}", $"at most {MaxHeaderBytes}");
        if (bytes > (ulong)(file.Length - LengthBytes)) Throw.BadFile(file.Path, "header length", $"{bytes}", $"at most the file's {file.Length - LengthBytes}");
        var json = new ReadOnlySpan<byte>(file.Pointer + LengthBytes, (int)bytes);
        if (!Utf8.IsValid(json)) Throw.BadFile(file.Path, "header", "bytes that are not UTF-8", "JSON");
        var header = new SafetensorsHeader(file, LengthBytes + (long)bytes);
        try
        {
            header.ReadObject(json);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            Throw.BadJson(file.Path, "header", e);
        }
        header.CheckOrder();
        return header;
    }

    private void ReadObject(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) Throw.BadFile(_path, "header", reader.TokenType.ToString(), "an object");
        var hasMetadata = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name != MetadataKey)
            {
                ReadTensor(ref reader, name);
                continue;
            }
            if (hasMetadata) Throw.BadFile(_path, MetadataKey, "the key twice", "once");
            hasMetadata = true;
            ReadMetadata(ref reader);
        }
        reader.Read(); // Throws if anything but white space follows.
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.Null) return;
        if (reader.TokenType != JsonTokenType.StartObject) Throw.BadFile(_path, MetadataKey, reader.TokenType.ToString(), "an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) Throw.BadFile(_path, $"{MetadataKey}: {key}", reader.TokenType.ToString(), "a string");
            if (!Metadata.TryAdd(key, reader.GetString()!)) Throw.BadFile(_path, $"{MetadataKey}: {key}", "the key twice", "once");
        }
    }

    private void ReadTensor(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.StartObject) Throw.BadFile(_path, name, reader.TokenType.ToString(), "an object");
        string? typeName = null;
        List<long>? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("dtype"u8))
            {
                reader.Read();
                if (typeName != null) Throw.BadFile(_path, name, "dtype twice", "once");
                if (reader.TokenType != JsonTokenType.String) Throw.BadFile(_path, $"{name}: dtype", reader.TokenType.ToString(), "a string");
                typeName = reader.GetString();
            }
            else if (reader.ValueTextEquals("shape"u8)) ReadSizes(ref reader, name, "shape", ref shape);
            else if (reader.ValueTextEquals("data_offsets"u8)) ReadSizes(ref reader, name, "data_offsets", ref offsets);
            else reader.Skip();
        }
        if (typeName == null || shape == null || offsets == null)
            Throw.BadFile(_path, name, $"no {(typeName == null ? "dtype" : shape == null ? "shape" : "data_offsets")}", "dtype, shape and data_offsets");
        Add(name, typeName, [.. shape], offsets);
    }

    private void ReadSizes(ref Utf8JsonReader reader, string name, string field, ref List<long>? sizes)
    {
        reader.Read();
        if (sizes != null) Throw.BadFile(_path, name, $"{field} twice", "once");
        if (reader.TokenType != JsonTokenType.StartArray) Throw.BadFile(_path, $"{name}: {field}", reader.TokenType.ToString(), "an array");
        sizes = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            var size = -1L;
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out size) || size < 0)
                Throw.BadFile(_path, $"{name}: {field}", "an element that is no size", "integers from 0 to 2⁶³ - 1");
            sizes.Add(size);
        }
    }

    private void Add(string name, string typeName, long[] shape, List<long> offsets)
    {
        if (!SafetensorsType.TryGet(typeName, out var type)) Throw.BadFile(_path, $"{name}: dtype", typeName, "a known one");
        if (offsets.Count != 2 || offsets[0] > offsets[1]) Throw.BadFile(_path, $"{name}: data_offsets", TensorEntry.TextOf([.. offsets]), "begin and end");
        var elements = 1L;
        foreach (var size in shape)
        {
            if (size != 0 && elements > long.MaxValue / size) Throw.BadFile(_path, name, $"shape {TensorEntry.TextOf(shape)}", "fewer than 2⁶³ elements");
            elements *= size;
        }
        if (elements > long.MaxValue / type.Bits || elements * type.Bits % 8 != 0)
            Throw.BadFile(_path, name, $"{elements} elements of {type.Bits} bits", "a whole number of bytes below 2⁶⁰");
        var bytes = elements * type.Bits / 8;
        if (bytes != offsets[1] - offsets[0])
            Throw.BadFile(_path, $"{name}: data_offsets", $"{offsets[1] - offsets[0]} bytes", $"{bytes} for shape {TensorEntry.TextOf(shape)} of {typeName}");
        var room = _file.Length - _start;
        if (offsets[1] > room) Throw.BadFile(_path, $"{name}: data_offsets", $"an end at {offsets[1]}", $"at most the {room} bytes behind the header");
        var offset = _start + offsets[0];
        var tensor = new TensorEntry(_path, name, typeName, type.Type, shape, elements, offset, bytes, _file.Pointer + offset);
        if (!Names.TryAdd(name, tensor)) Throw.BadFile(_path, name, "the tensor twice", "once");
        Tensors.Add(tensor);
    }

    private void CheckOrder()
    {
        Tensors.Sort((a, b) => a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset) : a.ByteCount.CompareTo(b.ByteCount));
        var end = _start;
        foreach (var tensor in Tensors)
        {
            if (tensor.Offset != end) Throw.BadFile(_path, tensor.Name, $"data from {tensor.Offset - _start}", $"{end - _start}, where the tensor before it ends");
            end += tensor.ByteCount;
        }
        if (end != _file.Length) Throw.BadFile(_path, "data", $"{_file.Length - _start} bytes", $"{end - _start}, where the last tensor ends");
    }
}
