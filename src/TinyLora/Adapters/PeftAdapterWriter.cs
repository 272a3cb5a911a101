using System.Buffers;
using System.Text.Json;
using TinyLora.Files;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Writes an adapter as PEFT does: a folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
internal static class PeftAdapterWriter
{
    private const string Prefix = "base_model.model.";

    /// <param name="content">The adapter.</param>
    /// <param name="folder">Made if it is not there; the two files in it are replaced.</param>
    /// <param name="shape">The base model's; used only where <see cref="AdapterContent.NeedsShapeForPeft"/> says so.</param>
    /// <param name="baseHash">The base model's, or null.</param>
    public static void Write(AdapterContent content, string folder, ModelShape? shape, ModelHash? baseHash)
    {
        var pairs = shape == null ? content.Pairs : content.PairsFor(shape);
        Directory.CreateDirectory(folder);
        AdapterOutput.Replace(Path.Combine(folder, AdapterFile.WeightsName), stream => WriteTensors(content, pairs, stream, shape?.HeadSize ?? 0, baseHash));
        AdapterOutput.Replace(Path.Combine(folder, AdapterFile.ConfigName), stream => stream.Write(Config(content, pairs)));
    }

    private static void WriteTensors(AdapterContent content, LoraPair[] pairs, Stream stream, int headSize, ModelHash? baseHash)
    {
        var output = new SafetensorsOutput();
        foreach (var pair in pairs)
        {
            var isEmbedding = pair.Kind == WeightKind.Embedding;
            var module = Prefix + ModuleName.Of(pair.Kind, pair.Layer);
            Add(output, $"{module}.{(isEmbedding ? "lora_embedding_A" : "lora_A.weight")}", pair.A, false);
            Add(output, $"{module}.{(isEmbedding ? "lora_embedding_B" : "lora_B.weight")}", pair.B, false);
        }
        foreach (var tensor in content.Others) Add(output, $"{Prefix}{ModuleName.Of(tensor.Kind, tensor.Layer)}.{PartOf(tensor)}", tensor.Matrix, IsVector(tensor));
        var metadata = new List<KeyValuePair<string, string>> { new("format", "pt") };
        if (baseHash != null) metadata.Add(new(ModelHash.Key, baseHash.ToString()));
        output.Write(stream, metadata, (to, i) =>
        {
            if (i < 2 * pairs.Length)
            {
                if (i % 2 == 0) AdapterOutput.WriteA(to, pairs[i / 2]);
                else AdapterOutput.WriteB(to, content, pairs[i / 2], RotaryLayout.Halves, headSize);
                return;
            }
            // Only files in this order have them.
            var matrix = content.Others[i - 2 * pairs.Length].Matrix;
            for (var row = 0; row < matrix.Rows; row++) to.Write(AdapterOutput.Row(matrix, row));
        });
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
        tensor.Part is AdapterPart.BiasOfB or AdapterPart.Bias or AdapterPart.Magnitude || (tensor.Part == AdapterPart.Weight && !WeightNames.IsMatrix(tensor.Kind));

    private static bool Has(AdapterContent content, AdapterPart part)
    {
        foreach (var tensor in content.Others)
            if (tensor.Part == part) return true;
        return false;
    }

    private static void Add(SafetensorsOutput output, string name, LoraMatrix matrix, bool isVector) =>
        output.Tensor(name, isVector ? [matrix.Columns] : [matrix.Rows, matrix.Columns], matrix.Type.ToString(), matrix.Bytes);

    private static ReadOnlySpan<byte> Config(AdapterContent content, LoraPair[] pairs)
    {
        var rank = pairs[0].Rank;
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartObject("alpha_pattern");
            foreach (var pair in pairs)
                if (pair.Alpha != content.Alpha) json.WriteNumber(Pattern(pair), pair.Alpha);
            json.WriteEndObject();
            json.WriteString("base_model_name_or_path", content.BaseModel);
            if (content.InvocationTokens.Length > 0) WriteTokens(json, "alora_invocation_tokens", content.InvocationTokens);
            json.WriteString("bias", content.Biases switch { TrainedBiases.All => "all", TrainedBiases.OfLora => "lora_only", _ => "none" });
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
            foreach (var pair in pairs)
                if (pair.Rank != rank) json.WriteNumber(Pattern(pair), pair.Rank);
            json.WriteEndObject();
            json.WriteStartArray("target_modules");
            foreach (var pair in pairs) json.WriteStringValue(ModuleName.Of(pair.Kind, pair.Layer));
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
