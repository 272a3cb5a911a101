using System.Runtime.InteropServices;
using System.Text;

namespace TinyLora.PeerBench;

/// <summary>Writes float16 matrices as a GGUF version 3 file of general.type "adapter".</summary>
internal static class GgufAdapterWriter
{
    private const uint Float32Value = 6, StringValue = 8;
    private const uint Float16Tensor = 1;
    private const long Alignment = 32;

    public static void Write(string path, string architecture, float alpha, IReadOnlyList<AdapterTensor> tensors)
    {
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(0x46554747u);
        writer.Write(3u);
        writer.Write((long)tensors.Count);
        writer.Write(4L);
        WriteKey("general.type", "adapter");
        WriteKey("general.architecture", architecture);
        WriteKey("adapter.type", "lora");
        WriteString("adapter.lora.alpha");
        writer.Write(Float32Value);
        writer.Write(alpha);

        long offset = 0;
        foreach (var tensor in tensors)
        {
            WriteString(tensor.Name);
            writer.Write(2u);
            writer.Write((long)tensor.ColumnCount);
            writer.Write((long)tensor.RowCount);
            writer.Write(Float16Tensor);
            writer.Write(offset);
            offset = Aligned(offset + tensor.Values.LongLength * 2);
        }
        foreach (var tensor in tensors)
        {
            Pad();
            writer.Write(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        }
        Pad();

        static long Aligned(long position) => (position + Alignment - 1) / Alignment * Alignment;

        void Pad() => writer.Write(new byte[Aligned(writer.BaseStream.Position) - writer.BaseStream.Position]);

        void WriteString(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            writer.Write((long)bytes.Length);
            writer.Write(bytes);
        }

        void WriteKey(string key, string value)
        {
            WriteString(key);
            writer.Write(StringValue);
            WriteString(value);
        }
    }
}
