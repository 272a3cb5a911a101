using System.Text;
using TinyLora.Files;

namespace TinyLora.Tests.Files;

/// <summary>Writes GGUF files for tests, sound or not.</summary>
internal sealed class GgufWriter
{
    private const int Alignment = 32;

    private readonly MemoryStream _values = new();
    private readonly List<(string Name, long[] Shape, uint Type, byte[] Data)> _tensors = [];
    private ulong _count;

    public uint Version { get; init; } = 3;

    public GgufWriter Key(string key, GgufValueType type, Action<BinaryWriter> value)
    {
        using var writer = new BinaryWriter(_values, Encoding.UTF8, leaveOpen: true);
        Text(writer, key);
        writer.Write((uint)type);
        value(writer);
        _count++;
        return this;
    }

    public GgufWriter Key(string key, string value) => Key(key, GgufValueType.String, w => Text(w, value));

    public GgufWriter Key(string key, uint value) => Key(key, GgufValueType.UInt32, w => w.Write(value));

    public GgufWriter Key(string key, float value) => Key(key, GgufValueType.Float32, w => w.Write(value));

    /// <param name="shape">Outermost first.</param>
    public GgufWriter Tensor(string name, long[] shape, uint type, byte[] data)
    {
        _tensors.Add((name, shape, type, data));
        return this;
    }

    /// <summary>A float32 tensor of small numbers.</summary>
    public GgufWriter Tensor(string name, params long[] shape)
    {
        var data = new byte[4 * shape.Aggregate(1L, (a, b) => a * b)];
        for (var i = 0; i < data.Length; i += 4) BitConverter.TryWriteBytes(data.AsSpan(i), i % 7 * 0.125f);
        return Tensor(name, shape, 0, data);
    }

    public byte[] ToArray()
    {
        var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)_tensors.Count);
        writer.Write(_count);
        writer.Write(_values.ToArray());
        var offset = 0L;
        foreach (var (name, shape, type, data) in _tensors)
        {
            Text(writer, name);
            writer.Write((uint)shape.Length);
            foreach (var size in shape.Reverse()) writer.Write(size);
            writer.Write(type);
            writer.Write(offset);
            offset += (data.Length + Alignment - 1) / Alignment * Alignment;
        }
        foreach (var tensor in _tensors)
        {
            while (stream.Length % Alignment != 0) writer.Write((byte)0);
            writer.Write(tensor.Data);
        }
        writer.Flush();
        return stream.ToArray();
    }

    public static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
