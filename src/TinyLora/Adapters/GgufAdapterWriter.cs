using System.Text;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Writes an adapter as llama.cpp reads it: GGUF 3, X.lora_a and X.lora_b beside each base tensor X.</summary>
internal static unsafe class GgufAdapterWriter
{
    private const uint Version = 3;
    private const int Alignment = 32;
    private const uint StringType = 8, Float32Type = 6;

    /// <param name="content">The adapter.</param>
    /// <param name="path">The file; replaced if it is there.</param>
    /// <param name="shape">The base model's.</param>
    /// <param name="baseHash">The base model's, or null.</param>
    public static void Write(AdapterContent content, string path, ModelShape shape, ModelHash? baseHash) => AdapterOutput.Replace(path, stream => Write(content, stream, shape, baseHash));

    private static void Write(AdapterContent content, Stream stream, ModelShape shape, ModelHash? baseHash)
    {
        var alpha = AlphaFor(content);
        using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write(2UL * (ulong)content.Pairs.Length);
        writer.Write(baseHash == null ? 4UL : 5UL);
        WriteKey(writer, "general.type", "adapter");
        WriteKey(writer, "general.architecture", shape.Architecture);
        WriteKey(writer, "adapter.type", "lora");
        if (baseHash != null) WriteKey(writer, ModelHash.Key, baseHash.ToString());
        WriteText(writer, "adapter.lora.alpha");
        writer.Write(Float32Type);
        writer.Write(alpha);
        var offset = 0L;
        foreach (var pair in content.Pairs)
        {
            WriteInfo(writer, pair, "lora_a", pair.A.Type, pair.A, ref offset);
            WriteInfo(writer, pair, "lora_b", TypeOfB(pair, alpha), pair.B, ref offset);
        }
        var order = shape.Architecture == "llama" ? RotaryLayout.Interleaved : RotaryLayout.Halves;
        foreach (var pair in content.Pairs)
        {
            Pad(writer);
            AdapterOutput.WriteA(stream, pair);
            Pad(writer);
            if (TypeOfB(pair, alpha) == pair.B.Type && FactorOf(pair, alpha) == 1) AdapterOutput.WriteB(stream, pair, content.RowOrder, order, shape.HeadSize);
            else WriteScaled(writer, pair, FactorOf(pair, alpha), content.RowOrder, order, shape.HeadSize);
        }
    }

    /// <summary>The one alpha of the file; not 0, which would mean a scaling of 1.</summary>
    private static float AlphaFor(AdapterContent content)
    {
        foreach (var pair in content.Pairs)
            if (pair.Scaling != 0) return (float)((double)pair.Scaling * pair.Rank);
        return 1f;
    }

    /// <summary>What B must be multiplied by where one alpha for all does not give the pair's scaling.</summary>
    private static double FactorOf(LoraPair pair, float alpha)
    {
        var scaling = (double)alpha / pair.Rank;
        return (float)scaling == pair.Scaling ? 1 : pair.Scaling / scaling;
    }

    private static ElementType TypeOfB(LoraPair pair, float alpha) => FactorOf(pair, alpha) == 1 ? pair.B.Type : ElementType.F32;

    private static void WriteScaled(BinaryWriter writer, LoraPair pair, double factor, RotaryLayout from, RotaryLayout to, int headSize)
    {
        var row = new float[pair.B.Columns];
        for (var r = 0; r < pair.B.Rows; r++)
        {
            var source = AdapterOutput.Row(pair.B, AdapterOutput.SourceRow(pair, r, from, to, headSize));
            fixed (byte* bytes = source)
            fixed (float* values = row)
                Conversions.Decode(pair.B.Type, bytes, values, row.Length);
            foreach (var value in row) writer.Write((float)(value * factor));
        }
    }

    private static void WriteInfo(BinaryWriter writer, LoraPair pair, string part, ElementType type, LoraMatrix matrix, ref long offset)
    {
        WriteText(writer, $"{WeightNames.Gguf(pair.Kind, pair.Layer)}.weight.{part}");
        writer.Write(2u);
        writer.Write((ulong)matrix.Columns);
        writer.Write((ulong)matrix.Rows);
        writer.Write(type switch { ElementType.F32 => 0u, ElementType.F16 => 1u, _ => 30u });
        writer.Write((ulong)offset);
        offset += (type.ByteCount(matrix.Count) + Alignment - 1) & -Alignment;
    }

    private static void WriteKey(BinaryWriter writer, string key, string value)
    {
        WriteText(writer, key);
        writer.Write(StringType);
        WriteText(writer, value);
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void Pad(BinaryWriter writer)
    {
        writer.Flush();
        while (writer.BaseStream.Position % Alignment != 0) writer.Write((byte)0);
        writer.Flush();
    }
}
