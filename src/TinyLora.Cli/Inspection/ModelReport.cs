using System.Text.Json;
using TinyLora.Conversation;
using TinyLora.Files;
using TinyLora.Tokenization;
using TinyLora.Weights;

namespace TinyLora.Cli.Inspection;

/// <summary>What a model holds.</summary>
internal static class ModelReport
{
    public static void Write(Utf8JsonWriter json, string path)
    {
        json.WriteStartObject();
        json.WriteString("path", path);
        if (IsVocabulary(path))
        {
            json.WriteString("kind", "vocabulary");
        }
        else
        {
            using var weights = ModelWeights.Open(path);
            json.WriteString("kind", "model");
            json.WriteString("format", weights.Gguf != null ? "GGUF" : "Hugging Face");
            WriteShape(json, weights);
            WriteTensors(json, weights);
        }
        WriteTokenizer(json, path);
        WriteTemplate(json, path);
        json.WriteEndObject();
    }

    private static bool IsVocabulary(string path)
    {
        if (!GgufFile.IsGguf(path)) return false;
        using var file = GgufFile.Open(path);
        return file.Tensors.Count == 0 && file.Contains("tokenizer.ggml.tokens");
    }

    private static void WriteShape(Utf8JsonWriter json, ModelWeights weights)
    {
        var shape = weights.Shape;
        json.WriteString("architecture", shape.Architecture);
        json.WriteStartObject("sizes");
        json.WriteNumber("hidden", shape.HiddenSize);
        json.WriteNumber("intermediate", shape.IntermediateSize);
        json.WriteNumber("layers", shape.LayerCount);
        json.WriteNumber("heads", shape.HeadCount);
        json.WriteNumber("key_value_heads", shape.KeyValueHeadCount);
        json.WriteNumber("head", shape.HeadSize);
        json.WriteNumber("vocabulary", shape.VocabularySize);
        json.WriteNumber("context", shape.ContextLength);
        if (shape.SlidingWindow > 0) json.WriteNumber("sliding_window", shape.SlidingWindow);
        json.WriteEndObject();
        json.WriteStartObject("constants");
        json.WriteNumber("rms_norm_epsilon", shape.RmsNormEpsilon);
        json.WriteNumber("rope_theta", shape.RopeTheta);
        json.WriteBoolean("tied_embedding", shape.TiedEmbedding);
        json.WriteBoolean("query_key_norm", shape.HasQueryKeyNorm);
        json.WriteEndObject();
    }

    private static void WriteTensors(Utf8JsonWriter json, ModelWeights weights)
    {
        long parameters = 0, bytes = 0;
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var tensor in weights.Tensors)
        {
            parameters += tensor.ElementCount;
            bytes += tensor.ByteCount;
            counts[tensor.TypeName] = counts.GetValueOrDefault(tensor.TypeName) + 1;
        }
        json.WriteStartObject("weights");
        json.WriteNumber("parameters", parameters);
        json.WriteNumber("bytes", bytes);
        json.WriteStartObject("tensors_by_type");
        foreach (var (type, count) in counts) json.WriteNumber(type, count);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTokenizer(Utf8JsonWriter json, string path)
    {
        var place = TokenizerPath.Of(path);
        if (!HasTokenizer(place))
        {
            // A model without one can still compute.
            json.WriteNull("tokenizer");
            return;
        }
        var tokenizer = Tokenizer.Open(place);
        json.WriteStartObject("tokenizer");
        json.WriteString("kind", tokenizer.Kind);
        json.WriteNumber("size", tokenizer.VocabularySize);
        json.WriteNumber("bos", tokenizer.BeginOfText);
        json.WriteBoolean("adds_bos", tokenizer.AddsBeginOfText);
        json.WriteStartArray("end_of_generation");
        for (var token = 0; token < tokenizer.VocabularySize; token++)
            if (tokenizer.IsEndOfGeneration(token)) json.WriteNumberValue(token);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static bool HasTokenizer(string path)
    {
        if (!GgufFile.IsGguf(path)) return File.Exists(Path.Combine(path, "tokenizer.json"));
        using var file = GgufFile.Open(path);
        if (file.TryGetString("tokenizer.ggml.model", out var model)) return model is not ("none" or "no_vocab");
        return file.Keys.Any(key => key.StartsWith("tokenizer.ggml.", StringComparison.Ordinal));
    }

    private static void WriteTemplate(Utf8JsonWriter json, string path)
    {
        try
        {
            if (ChatTemplateSource.Find(path) is { } source) json.WriteString("template", source.Parse().Family.ToString());
            else json.WriteNull("template");
        }
        catch (InvalidDataException refusal)
        {
            json.WriteNull("template");
            json.WriteString("template_note", Failure.Describe(refusal));
        }
    }
}
