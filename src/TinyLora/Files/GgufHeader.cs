using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>Reads and checks what stands before a GGUF file's data. What it takes of memory grows with the bytes read, never with a count.</summary>
internal sealed unsafe class GgufHeader
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const int MaxKeyBytes = 65535; // specification
    private const int MaxNameBytes = 63; // GGML_MAX_NAME less its end
    private const int MaxDimensions = 4; // GGML_MAX_DIMS
    private const long DefaultAlignment = 32;

    private readonly MappedFile _file;
    private readonly string _path;

    private GgufHeader(MappedFile file)
    {
        _file = file;
        _path = file.Path;
    }

    public Dictionary<string, GgufValue> Values { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, TensorEntry> Names { get; } = new(StringComparer.Ordinal);
    public List<TensorEntry> Tensors { get; } = [];
    public int Version { get; private set; }
    /// <summary>First byte of the keys and their values.</summary>
    public long ValuesStart { get; private set; }
    /// <summary>First byte behind them.</summary>
    public long ValuesEnd { get; private set; }
    public long Alignment { get; private set; } = DefaultAlignment;

    public static GgufHeader Read(MappedFile file)
    {
        var header = new GgufHeader(file);
        var reader = new GgufReader(file.Path, file.Pointer, file.Length);
        header.ReadVersion(ref reader);
        var tensorCount = reader.UInt64("tensor count");
        var valueCount = reader.UInt64("key count");
        header.ValuesStart = reader.Position;
        for (ulong i = 0; i < valueCount; i++) header.ReadValue(ref reader, i);
        header.ValuesEnd = reader.Position;
        header.ReadAlignment();
        header.RefuseSplit();
        header.ReadTensors(ref reader, tensorCount);
        return header;
    }

    private void ReadVersion(ref GgufReader reader)
    {
        var magic = reader.UInt32("magic");
        if (magic != Magic) Throw.BadFile(_path, "magic", $"0x{magic:x8}", "GGUF");
        var version = reader.UInt32("version");
        if (version is not (2 or 3))
        {
            if (BinaryPrimitives.ReverseEndianness(version) is 2 or 3) Throw.NotSupported(_path, "a big-endian GGUF file");
            Throw.BadFile(_path, "version", $"{version}", "2 or 3");
        }
        Version = (int)version;
    }

    private void ReadValue(ref GgufReader reader, ulong index)
    {
        var bytes = reader.Text("key");
        if (bytes.Length is 0 or > MaxKeyBytes) Throw.BadFile(_path, $"key {index}", $"{bytes.Length} bytes", $"1 to {MaxKeyBytes}");
        if (!Utf8.IsValid(bytes)) Throw.BadFile(_path, $"key {index}", "bytes that are not UTF-8", "a name");
        var key = Encoding.UTF8.GetString(bytes);
        var type = (GgufValueType)reader.UInt32("value type");
        var (elementType, count, offset) = (type, 1L, reader.Position);
        switch (type)
        {
            case GgufValueType.String:
                reader.Text("string");
                break;
            case GgufValueType.Array:
                elementType = (GgufValueType)reader.UInt32("array type");
                count = ReadArray(ref reader, key, elementType, out offset);
                break;
            case GgufValueType.Boolean:
                reader.Skip(1, "boolean");
                CheckBooleans(key, offset, 1);
                break;
            default:
                if (type.Bytes() == 0) Throw.BadFile(_path, key, $"value type {(uint)type}", "0 to 12");
                reader.Skip((ulong)type.Bytes(), "value");
                break;
        }
        if (!Values.TryAdd(key, new GgufValue(type, elementType, count, offset))) Throw.BadFile(_path, key, "the key twice", "once");
    }

    private long ReadArray(ref GgufReader reader, string key, GgufValueType elementType, out long offset)
    {
        var count = reader.UInt64("array count");
        offset = reader.Position;
        if (elementType == GgufValueType.Array) Throw.NotSupported(_path, $"{key}: an array of arrays");
        if (elementType == GgufValueType.String)
        {
            for (ulong i = 0; i < count; i++) reader.Text("string of an array");
            return (long)count;
        }
        var bytes = (ulong)elementType.Bytes();
        if (bytes == 0) Throw.BadFile(_path, key, $"array type {(uint)elementType}", "0 to 12");
        // Divided, because the product could overflow.
        if (count > (ulong)(_file.Length - offset) / bytes) Throw.BadFile(_path, key, $"{count} elements", $"no more than {_file.Length - offset} bytes hold");
        reader.Skip(count * bytes, "array");
        if (elementType == GgufValueType.Boolean) CheckBooleans(key, offset, (long)count);
        return (long)count;
    }

    private void CheckBooleans(string key, long offset, long count)
    {
        var data = _file.Pointer + offset;
        for (long i = 0; i < count; i++)
            if (data[i] > 1) Throw.BadFile(_path, key, $"boolean {data[i]}", "0 or 1");
    }

    private void ReadAlignment()
    {
        if (!Values.TryGetValue("general.alignment", out var value)) return;
        if (value.Type != GgufValueType.UInt32) Throw.BadFile(_path, "general.alignment", value.Type.ToString(), nameof(GgufValueType.UInt32));
        var alignment = System.Runtime.CompilerServices.Unsafe.ReadUnaligned<uint>(_file.Pointer + value.Offset);
        if (!System.Numerics.BitOperations.IsPow2(alignment)) Throw.BadFile(_path, "general.alignment", $"{alignment}", "a power of two");
        Alignment = alignment;
    }

    private void RefuseSplit()
    {
        if (!Values.TryGetValue("split.count", out var value)) return;
        if (value.Type != GgufValueType.UInt16) Throw.BadFile(_path, "split.count", value.Type.ToString(), nameof(GgufValueType.UInt16));
        var count = System.Runtime.CompilerServices.Unsafe.ReadUnaligned<ushort>(_file.Pointer + value.Offset);
        if (count > 1) Throw.NotSupported(_path, $"a model split over {count} files (split.count)");
    }

    private void ReadTensors(ref GgufReader reader, ulong count)
    {
        // The data begin behind the last entry: positions are known only after all entries are read.
        var infos = new List<GgufTensorInfo>();
        for (ulong i = 0; i < count; i++) infos.Add(ReadTensor(ref reader, i));
        var start = (reader.Position + Alignment - 1) & -Alignment;
        foreach (var info in infos)
        {
            var room = _file.Length - start;
            if (room < 0 || info.Offset > (ulong)room || info.ByteCount > (ulong)room - info.Offset)
                Throw.BadFile(_path, info.Name, $"{info.ByteCount} bytes at {start} + {info.Offset}", $"data inside the file's {_file.Length} bytes");
            if (info.Offset % (ulong)Alignment != 0) Throw.BadFile(_path, info.Name, $"offset {info.Offset}", $"a multiple of {Alignment}");
            var offset = start + (long)info.Offset;
            var tensor = new TensorEntry(_path, info.Name, info.Type.Name, info.Type.Type, info.Shape, info.ElementCount, offset, (long)info.ByteCount, _file.Pointer + offset);
            if (!Names.TryAdd(info.Name, tensor)) Throw.BadFile(_path, info.Name, "the tensor twice", "once");
            Tensors.Add(tensor);
        }
        RefuseOverlaps();
    }

    private GgufTensorInfo ReadTensor(ref GgufReader reader, ulong index)
    {
        var bytes = reader.Text("tensor name");
        if (bytes.Length is 0 or > MaxNameBytes) Throw.BadFile(_path, $"name of tensor {index}", $"{bytes.Length} bytes", $"1 to {MaxNameBytes}");
        if (!Utf8.IsValid(bytes)) Throw.BadFile(_path, $"name of tensor {index}", "bytes that are not UTF-8", "a name");
        var name = Encoding.UTF8.GetString(bytes);
        var dimensions = reader.UInt32("dimension count");
        if (dimensions is 0 or > MaxDimensions) Throw.BadFile(_path, name, $"{dimensions} dimensions", $"1 to {MaxDimensions}");
        var shape = new long[dimensions];
        ulong elements = 1;
        for (var i = 0; i < shape.Length; i++)
        {
            var size = reader.UInt64("dimension");
            // The file has the innermost dimension first.
            if (size == 0 || size > long.MaxValue / elements) Throw.BadFile(_path, name, $"dimension {size}", $"1 or more, and a product below 2⁶³");
            shape[^(i + 1)] = (long)size;
            elements *= size;
        }
        var number = reader.UInt32("tensor type");
        if (!GgufTensorType.TryGet(number, out var type)) Throw.BadFile(_path, name, $"tensor type {number}", "a known one");
        if (shape[^1] % type.BlockSize != 0) Throw.BadFile(_path, name, $"rows of {shape[^1]} elements", $"a multiple of {type.BlockSize} ({type.Name})");
        var blocks = elements / (ulong)type.BlockSize;
        if (blocks > long.MaxValue / (ulong)type.BlockBytes) Throw.BadFile(_path, name, $"{elements} elements", "fewer than 2⁶³ bytes");
        return new GgufTensorInfo(name, type, shape, (long)elements, blocks * (ulong)type.BlockBytes, reader.UInt64("tensor offset"));
    }

    private void RefuseOverlaps()
    {
        var sorted = Tensors.ToArray();
        Array.Sort(sorted, (a, b) => a.Offset.CompareTo(b.Offset));
        for (var i = 1; i < sorted.Length; i++)
        {
            var end = sorted[i - 1].Offset + sorted[i - 1].ByteCount;
            if (sorted[i].Offset < end) Throw.BadFile(_path, sorted[i].Name, $"offset {sorted[i].Offset}", $"{end} or more, where {sorted[i - 1].Name} ends");
        }
    }

    private readonly record struct GgufTensorInfo(string Name, GgufTensorType Type, long[] Shape, long ElementCount, ulong ByteCount, ulong Offset);
}
