using System.Text;

namespace TinyLora.Files;

/// <summary>Writes a GGUF file of version 3: first what it will hold is said, then it is written in one go.</summary>
internal sealed class GgufOutput(long alignment = GgufOutput.DefaultAlignment)
{
    private const long DefaultAlignment = 32;
    private const uint Version = 3;

    private readonly MemoryStream _keys = new();
    private readonly List<(string Name, long[] Shape, uint Type, long Bytes)> _tensors = [];
    private ulong _keyCount;

    /// <summary>Keys and their values as they stand in another file.</summary>
    public void Keys(ReadOnlySpan<byte> bytes, int count)
    {
        _keys.Write(bytes);
        _keyCount += (ulong)count;
    }

    public void Key(string key, string value) => Key(key, GgufValueType.String, writer => Text(writer, value));

    public void Key(string key, float value) => Key(key, GgufValueType.Float32, writer => writer.Write(value));

    /// <summary>An array of unsigned integers.</summary>
    public void Key(string key, int[] values) => Key(key, GgufValueType.Array, writer =>
    {
        writer.Write((uint)GgufValueType.UInt32);
        writer.Write((ulong)values.Length);
        foreach (var value in values) writer.Write((uint)value);
    });

    /// <param name="name">Its name.</param>
    /// <param name="shape">Outermost first.</param>
    /// <param name="type">The type as GGUF calls it.</param>
    /// <param name="bytes">Of its data.</param>
    public void Tensor(string name, long[] shape, string type, long bytes) => _tensors.Add((name, shape, GgufTensorType.NumberOf(type), bytes));

    /// <summary>Writes the file.</summary>
    /// <param name="stream">At its beginning.</param>
    /// <param name="write">Writes the data of a tensor, by its number.</param>
    public void Write(Stream stream, Action<Stream, int> write)
    {
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)_tensors.Count);
        writer.Write(_keyCount);
        writer.Write(_keys.GetBuffer(), 0, (int)_keys.Length);
        var offset = 0L;
        foreach (var (name, shape, type, bytes) in _tensors)
        {
            Text(writer, name);
            writer.Write((uint)shape.Length);
            for (var i = shape.Length - 1; i >= 0; i--) writer.Write((ulong)shape[i]);
            writer.Write(type);
            writer.Write((ulong)offset);
            offset = checked(offset + bytes + alignment - 1) & -alignment;
        }
        for (var i = 0; i < _tensors.Count; i++)
        {
            writer.Flush();
            while (stream.Position % alignment != 0) stream.WriteByte(0);
            write(stream, i);
        }
    }

    private void Key(string key, GgufValueType type, Action<BinaryWriter> value)
    {
        using var writer = new BinaryWriter(_keys, Encoding.UTF8, leaveOpen: true);
        Text(writer, key);
        writer.Write((uint)type);
        value(writer);
        _keyCount++;
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
