using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;

namespace TinyLora.Files;

/// <summary>Writes a safetensors file: first what it will hold is said, then it is written in one go.</summary>
internal sealed class SafetensorsOutput
{
    private const int HeaderAlignment = 8;

    private readonly List<(string Name, long[] Shape, string Type, long Bytes)> _tensors = [];

    /// <summary>Bytes of all tensors.</summary>
    public long DataBytes { get; private set; }

    /// <param name="name">Its name.</param>
    /// <param name="shape">Outermost first.</param>
    /// <param name="type">The type as the format calls it.</param>
    /// <param name="bytes">Of its data.</param>
    public void Tensor(string name, long[] shape, string type, long bytes)
    {
        _tensors.Add((name, shape, type, bytes));
        DataBytes = checked(DataBytes + bytes);
    }

    /// <summary>Writes the file.</summary>
    /// <param name="stream">At its beginning.</param>
    /// <param name="metadata">The strings under <c>__metadata__</c>.</param>
    /// <param name="write">Writes the data of a tensor, by its number.</param>
    public void Write(Stream stream, IEnumerable<KeyValuePair<string, string>> metadata, Action<Stream, int> write)
    {
        var header = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            foreach (var (key, value) in metadata) json.WriteString(key, value);
            json.WriteEndObject();
            var at = 0L;
            foreach (var (name, shape, type, bytes) in _tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (var size in shape) json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(at);
                json.WriteNumberValue(at += bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (header.WrittenCount % HeaderAlignment != 0) header.Write(" "u8);
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.WrittenCount);
        stream.Write(length);
        stream.Write(header.WrittenSpan);
        for (var i = 0; i < _tensors.Count; i++) write(stream, i);
    }
}
