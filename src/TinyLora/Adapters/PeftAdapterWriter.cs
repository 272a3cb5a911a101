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
    /// <param name="baseHash">The base model's, or null.</param>
    public static void Write(AdapterContent content, string folder, int headSize, ModelHash? baseHash)
    {
        Directory.CreateDirectory(folder);
        AdapterOutput.Replace(Path.Combine(folder, AdapterFile.WeightsName), stream => WriteTensors(content, stream, headSize, baseHash));
        AdapterOutput.Replace(Path.Combine(folder, AdapterFile.ConfigName), stream => stream.Write(Config(content)));
    }

    private static void WriteTensors(AdapterContent content, Stream stream, int headSize, ModelHash? baseHash)
    {
        var header = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString("format", "pt");
            if (baseHash != null) json.WriteString(ModelHash.Key, baseHash.ToString());
            json.WriteEndObject();
            var at = 0L;
            foreach (var pair in content.Pairs)
            {
                var isEmbedding = pair.Kind == WeightKind.Embedding;
                var module = ModuleName.Of(pair.Kind, pair.Layer);
                WriteEntry(json, $"{module}.{(isEmbedding ? "lora_embedding_A" : "lora_A.weight")}", pair.A, false, ref at);
                WriteEntry(json, $"{module}.{(isEmbedding ? "lora_embedding_B" : "lora_B.weight")}", pair.B, false, ref at);
            }
            foreach (var tensor in content.Others) WriteEntry(json, $"{ModuleName.Of(tensor.Kind, tensor.Layer)}.{PartOf(tensor)}", tensor.Matrix, IsVector(tensor), ref at);
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
        // Only files in this order have them.
        foreach (var tensor in content.Others)
            for (var row = 0; row < tensor.Matrix.Rows; row++) stream.Write(AdapterOutput.Row(tensor.Matrix, row));
    }

    private static string PartOf(AdapterTensor tensor) => tensor.Part switch
    {
        AdapterPart.BiasOfB => "lora_B.bias",
        AdapterPart.Bias => "bias",
        AdapterPart.Magnitude => "lora_magnitude_vector",
        AdapterPart.TokenRows => "token_adapter.trainable_tokens_delta",
        AdapterPart.BaseCopy => "base_layer.weight",
        _ => "weight",
    };

    private static bool IsVector(AdapterTensor tensor) =>
        tensor.Part is AdapterPart.BiasOfB or AdapterPart.Bias or AdapterPart.Magnitude || (tensor.Part == AdapterPart.Weight && tensor.Kind is not (WeightKind.Embedding or WeightKind.Head));

    private static bool Has(AdapterContent content, AdapterPart part)
    {
        foreach (var tensor in content.Others)
            if (tensor.Part == part) return true;
        return false;
    }

    private static void WriteEntry(Utf8JsonWriter json, string name, LoraMatrix matrix, bool isVector, ref long at)
    {
        json.WriteStartObject(Prefix + name);
        json.WriteString("dtype", matrix.Type.ToString());
        json.WriteStartArray("shape");
        if (!isVector) json.WriteNumberValue(matrix.Rows);
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
            if (content.InvocationTokens.Length > 0) WriteTokens(json, "alora_invocation_tokens", content.InvocationTokens);
            json.WriteString("bias", Has(content, AdapterPart.Bias) ? "all" : "none");
            json.WriteBoolean("fan_in_fan_out", false);
            json.WriteBoolean("inference_mode", true);
            json.WriteBoolean("init_lora_weights", true);
            json.WriteNumber("lora_alpha", content.Alpha);
            json.WriteBoolean("lora_bias", Has(content, AdapterPart.BiasOfB));
            json.WriteNumber("lora_dropout", 0.0);
            json.WriteStartArray("modules_to_save");
            foreach (var tensor in content.Others)
                if (tensor.Part == AdapterPart.Weight) json.WriteStringValue(ModuleName.Of(tensor.Kind, tensor.Layer));
            json.WriteEndArray();
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
            json.WriteStartObject("trainable_token_indices");
            foreach (var tensor in content.Others)
                if (tensor.Part == AdapterPart.TokenRows) WriteTokens(json, tensor.Kind == WeightKind.Head ? "lm_head" : "embed_tokens", tensor.Tokens);
            json.WriteEndObject();
            json.WriteBoolean("use_dora", Has(content, AdapterPart.Magnitude));
            json.WriteBoolean("use_rslora", content.RankStabilized);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan;
    }

    private static void WriteTokens(Utf8JsonWriter json, string name, int[] tokens)
    {
        json.WriteStartArray(name);
        foreach (var token in tokens) json.WriteNumberValue(token);
        json.WriteEndArray();
    }

    private static string Pattern(LoraPair pair) => ModuleName.Of(pair.Kind, pair.Layer).Replace(".", "\\.", StringComparison.Ordinal);
}
