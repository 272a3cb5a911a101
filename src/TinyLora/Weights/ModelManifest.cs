using System.Text.Json;
using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>
/// Writes the manifest of a model (JSON, format 1): its sizes and constants, the weight format of every matrix and the ranks of the
/// adapters that it will be used with. It is all that the source generator learns of a model, and depends on its headers alone.
/// </summary>
public static class ModelManifest
{
    /// <summary>The ending of a manifest's file name.</summary>
    public const string Extension = ".model.json";

    /// <summary>The largest rank that kernels are generated for.</summary>
    public const int MaxRank = 256;

    private const int Format = 1;

    /// <summary>Reads a model's headers and writes its manifest.</summary>
    /// <param name="modelPath">A GGUF file or a Hugging Face folder.</param>
    /// <param name="ranks">Ranks from 1 to <see cref="MaxRank"/>, each once; may be empty. They are written in ascending order.</param>
    /// <param name="output">Where the manifest goes, in UTF-8; not closed.</param>
    /// <exception cref="ArgumentException">A rank is out of range or named twice; the message names it.</exception>
    /// <exception cref="InvalidDataException">The model's file is damaged or asks for what is not supported.</exception>
    public static void Write(string modelPath, IReadOnlyList<int> ranks, Stream output)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelPath);
        ArgumentNullException.ThrowIfNull(ranks);
        ArgumentNullException.ThrowIfNull(output);
        var ordered = Order(ranks);
        using var weights = ModelWeights.Open(modelPath);
        Write(weights.Path, weights.Shape, weights.Embedding.Type, weights.Head.Type, weights.Layers, ordered, output);
    }

    internal static void Write(
        string modelPath, ModelShape shape, ElementType embedding, ElementType head, LayerWeights[] layers, int[] ranks, Stream output)
    {
        // A new line is the same on every machine, so that a manifest under version control is too.
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteNumber("format", Format);
        json.WriteString("model", Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(modelPath))));
        WriteShape(json, shape);
        json.WriteStartArray("ranks");
        foreach (var rank in ranks) json.WriteNumberValue(rank);
        json.WriteEndArray();
        WriteTensors(json, embedding, head, layers);
        json.WriteEndObject();
        json.Flush();
        output.WriteByte((byte)'\n');
    }

    private static void WriteShape(Utf8JsonWriter json, ModelShape shape)
    {
        json.WriteString("architecture", shape.Architecture);
        json.WriteNumber("hiddenSize", shape.HiddenSize);
        json.WriteNumber("intermediateSize", shape.IntermediateSize);
        json.WriteNumber("layerCount", shape.LayerCount);
        json.WriteNumber("headCount", shape.HeadCount);
        json.WriteNumber("keyValueHeadCount", shape.KeyValueHeadCount);
        json.WriteNumber("headSize", shape.HeadSize);
        json.WriteNumber("vocabularySize", shape.VocabularySize);
        json.WriteNumber("contextLength", shape.ContextLength);
        json.WriteNumber("rmsNormEpsilon", shape.RmsNormEpsilon);
        json.WriteNumber("ropeTheta", shape.RopeTheta);
        json.WriteString("rotaryLayout", shape.RotaryLayout == RotaryLayout.Interleaved ? "interleaved" : "halves");
        json.WriteNumber("slidingWindow", shape.SlidingWindow);
        json.WriteNumber("slidingWindowFirstLayer", shape.SlidingWindowFirstLayer);
        json.WriteBoolean("tiedEmbedding", shape.TiedEmbedding);
        json.WriteBoolean("queryKeyNorm", shape.HasQueryKeyNorm);
    }

    private static void WriteTensors(Utf8JsonWriter json, ElementType embedding, ElementType head, LayerWeights[] layers)
    {
        json.WriteStartObject("tensors");
        WriteFormat(json, "embedding", embedding);
        WriteFormat(json, "head", head);
        json.WriteStartArray("layers");
        for (int i = 0, next; i < layers.Length; i = next)
        {
            // Layers that follow each other and are alike are written once.
            for (next = i + 1; next < layers.Length && AreAlike(layers[i], layers[next]); next++)
            {
            }

            var layer = layers[i];
            json.WriteStartObject();
            json.WriteNumber("count", next - i);
            WriteFormat(json, "query", layer.Query.Type);
            WriteFormat(json, "key", layer.Key.Type);
            WriteFormat(json, "value", layer.Value.Type);
            WriteFormat(json, "output", layer.Output.Type);
            WriteFormat(json, "gate", layer.Gate.Type);
            WriteFormat(json, "up", layer.Up.Type);
            WriteFormat(json, "down", layer.Down.Type);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static bool AreAlike(LayerWeights one, LayerWeights other) =>
        one.Query.Type == other.Query.Type && one.Key.Type == other.Key.Type && one.Value.Type == other.Value.Type && one.Output.Type == other.Output.Type
        && one.Gate.Type == other.Gate.Type && one.Up.Type == other.Up.Type && one.Down.Type == other.Down.Type;

    private static void WriteFormat(Utf8JsonWriter json, string name, ElementType type) => json.WriteString(name, type.ToString());

    private static int[] Order(IReadOnlyList<int> ranks)
    {
        var ordered = new SortedSet<int>();
        foreach (var rank in ranks)
        {
            if (rank is < 1 or > MaxRank) throw new ArgumentException($"Rank {rank} is not between 1 and {MaxRank}.", nameof(ranks));
            if (!ordered.Add(rank)) throw new ArgumentException($"Rank {rank} is named twice.", nameof(ranks));
        }

        return [.. ordered];
    }
}
