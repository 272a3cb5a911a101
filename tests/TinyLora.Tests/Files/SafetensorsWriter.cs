using System.Text;
using System.Text.Json;

namespace TinyLora.Tests.Files;

/// <summary>Writes safetensors files for tests.</summary>
internal sealed class SafetensorsWriter
{
    private readonly List<(string Name, string Type, long[] Shape, byte[] Data)> _tensors = [];
    private readonly Dictionary<string, string> _metadata = [];

    public SafetensorsWriter Metadata(string key, string value)
    {
        _metadata.Add(key, value);
        return this;
    }

    public SafetensorsWriter Tensor(string name, string type, long[] shape, byte[] data)
    {
        _tensors.Add((name, type, shape, data));
        return this;
    }

    /// <summary>A float32 tensor of small numbers.</summary>
    public SafetensorsWriter Tensor(string name, params long[] shape)
    {
        var data = new byte[4 * shape.Aggregate(1L, (a, b) => a * b)];
        for (var i = 0; i < data.Length; i += 4) BitConverter.TryWriteBytes(data.AsSpan(i), i % 7 * 0.125f);
        return Tensor(name, "F32", shape, data);
    }

    public byte[] ToArray()
    {
        var text = new StringBuilder("{");
        if (_metadata.Count > 0) text.Append($"\"__metadata__\":{JsonSerializer.Serialize(_metadata)},");
        var offset = 0;
        foreach (var (name, type, shape, data) in _tensors)
        {
            text.Append($"{JsonSerializer.Serialize(name)}:{{\"dtype\":\"{type}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{offset},{offset + data.Length}]}},");
            offset += data.Length;
        }
        var json = Encoding.UTF8.GetBytes(text.ToString().TrimEnd(',') + "}");
        return [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. _tensors.SelectMany(tensor => tensor.Data)];
    }

    public void Write(string path) => File.WriteAllBytes(path, ToArray());
}
