using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Writes an adapter as PEFT does: a folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
internal static class PeftAdapterWriter
{
    private const int HeaderAlignment = 8;
    private const string Prefix = "base_model.model.";

    /// <param name="content">The adapter.</param>
    /// <param name="folder">Made if it is not there; the two files in it are replaced.</param>
    /// <param name="headSize">Rows of a head; used only where the rows of B must be reordered.</param>
    public static void Write(AdapterContent content, string folder, int headSize)
    {
        Directory.CreateDirectory(folder);
        AdapterOutput.Replace(Path.Combine(folder, AdapterFile.WeightsName), stream => WriteTensors(content, stream, headSize));
        AdapterOutput.Replace(Path.Combine(folder, AdapterFile.ConfigName), stream => stream.Write(Config(content)));
    }

    private static void WriteTensors(AdapterContent content, Stream stream, int headSize)
    {
        var header = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("format", "pt");
            json.WriteEndObject();
            var at = 0L;
            foreach (var pair in content.Pairs)
            {
                WriteEntry(json, pair, "lora_A.weight", pair.A, ref at);
                WriteEntry(json, pair, "lora_B.weight", pair.B, ref at);
            }
            json.WriteEndObject();
        }
        while (header.WrittenCount % HeaderAlignment != 0) header.Write(" "u8);
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.WrittenCount);
        stream.Write(length);
        stream.Write(header.WrittenSpan);
        foreach (var pair in content.Pairs)
        {
            AdapterOutput.WriteA(stream, pair);
            AdapterOutput.WriteB(stream, pair, content.RowOrder, RotaryLayout.Halves, headSize);
        }
    }

    private static void WriteEntry(Utf8JsonWriter json, LoraPair pair, string part, LoraMatrix matrix, ref long at)
    {
        json.WriteStartObject($"{Prefix}{ModuleName.Of(pair.Kind, pair.Layer)}.{part}");
        json.WriteString("dtype", matrix.Type.ToString());
        json.WriteStartArray("shape");
        json.WriteNumberValue(matrix.Rows);
        json.WriteNumberValue(matrix.Columns);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(at);
        json.WriteNumberValue(at += matrix.Bytes);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static ReadOnlySpan<byte> Config(AdapterContent content)
    {
        var rank = content.Pairs[0].Rank;
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartObject("alpha_pattern");
            foreach (var pair in content.Pairs)
                if (pair.Alpha != content.Alpha) json.WriteNumber(Pattern(pair), pair.Alpha);
            json.WriteEndObject();
            json.WriteString("base_model_name_or_path", content.BaseModel);
            json.WriteString("bias", "none");
            json.WriteBoolean("fan_in_fan_out", false);
            json.WriteBoolean("inference_mode", true);
            json.WriteBoolean("init_lora_weights", true);
            json.WriteNumber("lora_alpha", content.Alpha);
            json.WriteNumber("lora_dropout", 0.0);
            json.WriteNull("modules_to_save");
            json.WriteString("peft_type", "LORA");
            json.WriteNumber("r", rank);
            json.WriteStartObject("rank_pattern");
            foreach (var pair in content.Pairs)
                if (pair.Rank != rank) json.WriteNumber(Pattern(pair), pair.Rank);
            json.WriteEndObject();
            json.WriteStartArray("target_modules");
            foreach (var pair in content.Pairs) json.WriteStringValue(ModuleName.Of(pair.Kind, pair.Layer));
            json.WriteEndArray();
            json.WriteString("task_type", "CAUSAL_LM");
            json.WriteBoolean("use_dora", false);
            json.WriteBoolean("use_rslora", content.RankStabilized);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan;
    }

    private static string Pattern(LoraPair pair) => ModuleName.Of(pair.Kind, pair.Layer).Replace(".", "\\.", StringComparison.Ordinal);
}
