using System.Text.Json;
using System.Text.Json.Nodes;
using TinyLora.Files;
using TinyLora.Tests.Files;
using TinyLora.Weights;

namespace TinyLora.Tests.Weights;

/// <summary>A model of one layer, 8 wide, written for tests in either form.</summary>
internal static class TinyModel
{
    public const int HiddenSize = 8, IntermediateSize = 12, HeadCount = 2, KeyValueHeadCount = 1, HeadSize = 4, VocabularySize = 5;

    /// <summary>Place and shape of every tensor.</summary>
    public static readonly (WeightKind Kind, long[] Shape)[] Tensors =
    [
        (WeightKind.Embedding, [VocabularySize, HiddenSize]),
        (WeightKind.FinalNorm, [HiddenSize]),
        (WeightKind.Head, [VocabularySize, HiddenSize]),
        (WeightKind.AttentionNorm, [HiddenSize]),
        (WeightKind.MlpNorm, [HiddenSize]),
        (WeightKind.Query, [HeadCount * HeadSize, HiddenSize]),
        (WeightKind.Key, [KeyValueHeadCount * HeadSize, HiddenSize]),
        (WeightKind.Value, [KeyValueHeadCount * HeadSize, HiddenSize]),
        (WeightKind.Output, [HiddenSize, HeadCount * HeadSize]),
        (WeightKind.Gate, [IntermediateSize, HiddenSize]),
        (WeightKind.Up, [IntermediateSize, HiddenSize]),
        (WeightKind.Down, [HiddenSize, IntermediateSize]),
    ];

    /// <summary>A GGUF file of the llama architecture.</summary>
    /// <param name="write">Writes a tensor in a way of its own and says so.</param>
    /// <param name="architecture">Also the prefix of the keys.</param>
    public static GgufWriter Gguf(Func<GgufWriter, WeightKind, bool>? write = null, string architecture = "llama")
    {
        var writer = new GgufWriter()
            .Key("general.architecture", architecture)
            .Key($"{architecture}.embedding_length", HiddenSize)
            .Key($"{architecture}.feed_forward_length", IntermediateSize)
            .Key($"{architecture}.block_count", 1u)
            .Key($"{architecture}.attention.head_count", HeadCount)
            .Key($"{architecture}.attention.head_count_kv", KeyValueHeadCount)
            .Key($"{architecture}.context_length", 16u)
            .Key($"{architecture}.attention.layer_norm_rms_epsilon", 1e-5f);
        foreach (var (kind, shape) in Tensors)
            if (write == null || !write(writer, kind)) writer.Tensor(WeightNames.Gguf(kind, 0) + ".weight", shape);
        return writer;
    }

    /// <summary>Writes a Hugging Face folder.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="changes">JSON whose fields replace or add to those of the configuration.</param>
    /// <param name="write">Writes a tensor in a way of its own and says so.</param>
    public static void Folder(string folder, string changes = "{}", Func<SafetensorsWriter, WeightKind, bool>? write = null)
    {
        var config = JsonNode.Parse("""{"model_type":"llama","hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"vocab_size":5,"max_position_embeddings":16,"rms_norm_eps":1e-5,"hidden_act":"silu"}""")!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(changes)!.AsObject()) config[name] = value?.DeepClone();
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString(JsonSerializerOptions.Default));
        var writer = new SafetensorsWriter();
        foreach (var (kind, shape) in Tensors)
            if (write == null || !write(writer, kind)) writer.Tensor(WeightNames.HuggingFace(kind, 0) + ".weight", shape);
        writer.Write(Path.Combine(folder, SafetensorsFolder.SingleName));
    }
}
