using System.Text.Json;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>Writes a merged model as a Hugging Face folder: its files of weights anew, its configuration mended, all else copied but weights in other forms, which would be the base's still.</summary>
internal static class MergedFolder
{
    private const string ConfigName = "config.json";

    private static readonly string[] s_weights = [".safetensors", ".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx"];

    /// <param name="path">The new folder, which is there.</param>
    /// <param name="source">The base's folder.</param>
    /// <param name="metadata">Of the base's weights; names of tensors under which others are stored too.</param>
    /// <param name="plan">What is written.</param>
    /// <param name="type">The type of all, or null.</param>
    /// <param name="write">Writes the data of a tensor, by its number.</param>
    public static void Write(string path, string source, IReadOnlyDictionary<string, string> metadata, MergePlan plan, ElementType? type, Action<Stream, int> write)
    {
        foreach (var file in Directory.GetFiles(source))
        {
            var name = Path.GetFileName(file);
            if (name is ConfigName or SafetensorsFolder.IndexName || s_weights.Contains(Path.GetExtension(name))) continue;
            File.Copy(file, Path.Combine(path, name));
        }
        var shards = new List<string>();
        foreach (var tensor in plan.Tensors)
            if (!shards.Contains(tensor.File)) shards.Add(tensor.File);
        var bytes = 0L;
        foreach (var shard in shards) bytes += WriteShard(Path.Combine(path, Path.GetFileName(shard)), shard, metadata, plan, write);
        if (shards.Count > 1 || Path.GetFileName(shards[0]) != SafetensorsFolder.SingleName) WriteIndex(Path.Combine(path, SafetensorsFolder.IndexName), plan, bytes);
        WriteConfig(Path.Combine(path, ConfigName), Path.Combine(source, ConfigName), plan, type);
    }

    private static long WriteShard(string path, string shard, IReadOnlyDictionary<string, string> metadata, MergePlan plan, Action<Stream, int> write)
    {
        var output = new SafetensorsOutput();
        var numbers = new List<int>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < plan.Tensors.Count; i++)
        {
            var tensor = plan.Tensors[i];
            names.Add(tensor.Name);
            if (tensor.File != shard) continue;
            output.Tensor(tensor.Name, tensor.Shape, tensor.TypeName, tensor.Bytes);
            numbers.Add(i);
        }
        using var stream = new FileStream(path, FileMode.Create, FileAccess.Write);
        // What has become a tensor is no other name of another any more.
        output.Write(stream, metadata.Where(pair => !names.Contains(pair.Key)), (to, i) => write(to, numbers[i]));
        return output.DataBytes;
    }

    private static void WriteIndex(string path, MergePlan plan, long bytes)
    {
        using var stream = new FileStream(path, FileMode.Create, FileAccess.Write);
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", bytes);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach (var tensor in plan.Tensors) json.WriteString(tensor.Name, Path.GetFileName(tensor.File));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteConfig(string path, string source, MergePlan plan, ElementType? type)
    {
        using var config = JsonDocument.Parse(File.ReadAllBytes(source));
        using var stream = new FileStream(path, FileMode.Create, FileAccess.Write);
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        foreach (var field in config.RootElement.EnumerateObject())
        {
            if (plan.Unties && field.NameEquals("tie_word_embeddings")) continue;
            if (type is { } one && field.Name is "torch_dtype" or "dtype") json.WriteString(field.Name, one switch { ElementType.F16 => "float16", ElementType.BF16 => "bfloat16", _ => "float32" });
            else field.WriteTo(json);
        }
        if (plan.Unties) json.WriteBoolean("tie_word_embeddings", false);
        json.WriteEndObject();
    }
}
