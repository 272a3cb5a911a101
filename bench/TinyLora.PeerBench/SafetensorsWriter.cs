using System.Runtime.InteropServices;
using System.Text.Json;

namespace TinyLora.PeerBench;

/// <summary>Writes float16 matrices as a safetensors file: eight bytes of header length, the header as JSON, the values.</summary>
internal static class SafetensorsWriter
{
    public static void Write(string path, IReadOnlyList<AdapterTensor> tensors)
    {
        using var stream = File.Create(path);
        using var writer = new BinaryWriter(stream);
        var header = Header(tensors);
        // Values begin at a multiple of eight; the format allows spaces after the header for it.
        int padding = (8 - header.Length % 8) % 8;
        writer.Write((long)(header.Length + padding));
        writer.Write(header);
        for (int i = 0; i < padding; i++)
            writer.Write((byte)' ');
        foreach (var tensor in tensors)
            writer.Write(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
    }

    private static byte[] Header(IReadOnlyList<AdapterTensor> tensors)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            long offset = 0;
            json.WriteStartObject();
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", "F16");
                json.WriteStartArray("shape");
                json.WriteNumberValue(tensor.RowCount);
                json.WriteNumberValue(tensor.ColumnCount);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.Values.LongLength * 2);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        return stream.ToArray();
    }
}
