using System.Text.Json;
using TinyLora.Files;
using TinyLora.Tests.Goldens;
using TinyLora.Tests.Oracles;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Weights;

/// <summary>Names, shapes, rotations, windows and biases are right if the reference forward pass over them gives the published logits.</summary>
public unsafe class GoldenModelTests
{
    private const string GgufFolder = "golden/gguf/models";
    private const string PeftFolder = "golden/peft/models";

    // The goldens are a float32 or a rounded float64 pass; the reference is exact. Their README measures 2.5e-5 of noise for float32.
    private const double Float32Noise = 1e-4;

    private static readonly string[] s_architectures = ["llama", "qwen2", "qwen3"];

    public static TheoryData<string> GgufModels() =>
        Shared.Has(GgufFolder) ? [.. Directory.GetFiles(Shared.Path(GgufFolder), "*.gguf").Select(path => Path.GetFileNameWithoutExtension(path)).Order()] : ["missing"];

    public static TheoryData<string, string, string> PeftModels()
    {
        if (!Shared.Has(PeftFolder)) return new() { { "missing", "", "" } };
        var rows = new TheoryData<string, string, string>();
        using var list = JsonDocument.Parse(File.ReadAllText(Shared.Path($"{PeftFolder}/models.json")));
        foreach (var model in list.RootElement.EnumerateArray())
            rows.Add(model.GetProperty("name").GetString()!, model.GetProperty("model_type").GetString()!, model.GetProperty("must").GetString()!);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(GgufModels))]
    public void A_gguf_model_gives_its_logits_or_is_refused_by_name(string name)
    {
        var path = Shared.Path($"{GgufFolder}/{name}.gguf");
        using var golden = JsonDocument.Parse(File.ReadAllText(Shared.Path($"{GgufFolder}/{name}.golden.json")));
        var architecture = golden.RootElement.GetProperty("architecture").GetString()!;
        if (!s_architectures.Contains(architecture))
        {
            Assert.Contains($"'{architecture}'", Assert.Throws<InvalidDataException>(() => ModelWeights.Open(path)).Message);
            return;
        }
        if (name.EndsWith("Q2_K", StringComparison.Ordinal) || name.EndsWith("Q3_K", StringComparison.Ordinal))
        {
            Assert.Matches(@"blk\.\d+\.[a-z_.]+: element type Q[23]_K|token_embd.weight: element type Q[23]_K", Assert.Throws<InvalidDataException>(() => ModelWeights.Open(path)).Message);
            return;
        }
        using var model = ModelWeights.Open(path);
        CheckShape(model.Shape, golden.RootElement.GetProperty("config"));
        using var tensors = SafetensorsFile.Open(Shared.Path($"{GgufFolder}/{name}.golden.safetensors"));
        foreach (var prompt in (string[])["p0", "p1"]) Compare(model, tensors, $"{prompt}.input_ids", $"{prompt}.logits_f64");
    }

    [SkippableTheory]
    [MemberData(nameof(PeftModels))]
    public void A_folder_gives_its_logits_or_is_refused_by_name(string name, string architecture, string must)
    {
        var folder = Shared.Path($"{PeftFolder}/{name}");
        if (!s_architectures.Append("mistral").Contains(architecture))
        {
            Assert.Contains($"'{architecture}'", Assert.Throws<InvalidDataException>(() => ModelWeights.Open(folder)).Message);
            return;
        }
        Assert.NotEqual("refuse", must);
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "golden.safetensors"));
        using (var model = ModelWeights.Open(folder)) Compare(model, tensors, "input_ids", "logits");

        // The other generation's form of the same configuration.
        var other = Directory.GetFiles(folder, "config.v?.json").Single();
        var copy = Directory.CreateTempSubdirectory("tinylora-").FullName;
        try
        {
            foreach (var file in Directory.GetFiles(folder)) File.CreateSymbolicLink(Path.Combine(copy, Path.GetFileName(file)), file);
            File.Delete(Path.Combine(copy, "config.json"));
            File.Copy(other, Path.Combine(copy, "config.json"));
            using var first = ModelWeights.Open(folder);
            using var second = ModelWeights.Open(copy);
            Assert.Equal(first.Shape, second.Shape);
            Assert.Equal(first.RotaryFrequencies, second.RotaryFrequencies);
            Assert.Equal(first.RotaryMagnitude, second.RotaryMagnitude);
        }
        finally
        {
            Directory.Delete(copy, recursive: true);
        }
    }

    [SkippableTheory]
    [InlineData("models/stories260k/stories260K-f32.gguf", 64, 172, 5, 8, 4, 8, 512, 512, false)]
    [InlineData("models/tinystories-656k/tinystories-656k-Q4_0.gguf", 128, 384, 2, 8, 4, 16, 2048, 512, true)]
    [InlineData("models/tinystories-656k", 128, 384, 2, 8, 4, 16, 2048, 512, true)]
    [InlineData("models/tinystories-656k/model.safetensors", 128, 384, 2, 8, 4, 16, 2048, 512, true)]
    [InlineData("models/tinystories-656k/config.json", 128, 384, 2, 8, 4, 16, 2048, 512, true)]
    [InlineData("models/lantern/hf", 256, 512, 5, 8, 4, 32, 2048, 512, true)]
    [InlineData("models/lantern/lantern-3m-Q4_K_M.gguf", 256, 512, 5, 8, 4, 32, 2048, 512, true)]
    [InlineData("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 576, 1536, 30, 9, 3, 64, 49152, 8192, true)]
    public void Trained_models_have_their_shapes(string path, int hidden, int intermediate, int layers, int heads, int keyValueHeads, int headSize, int vocabulary, int context, bool tied)
    {
        using var model = ModelWeights.Open(Shared.Path(path));
        var s = model.Shape;
        Assert.Equal((hidden, intermediate, layers, heads, keyValueHeads), (s.HiddenSize, s.IntermediateSize, s.LayerCount, s.HeadCount, s.KeyValueHeadCount));
        Assert.Equal((headSize, vocabulary, context, tied), (s.HeadSize, s.VocabularySize, s.ContextLength, s.TiedEmbedding));
        Assert.Equal(tied, model.Head.Weights == model.Embedding.Weights);
        Assert.Equal(layers, model.Layers.Length);
    }

    [SkippableFact]
    public void A_folder_and_its_gguf_file_are_the_same_model()
    {
        using var folder = ModelWeights.Open(Shared.Path("models/tinystories-656k"));
        using var file = ModelWeights.Open(Shared.Path("models/tinystories-656k/tinystories-656k-f32.gguf"));
        int[] tokens = [1, 40, 300, 7, 2000, 12];
        var expected = ReferenceForwardPass.Logits(file, tokens);
        // The same numbers in another order of query and key rows: only sums differ, by the last places of a double.
        AssertClose(ReferenceForwardPass.Logits(folder, tokens), (t, v) => expected[t][v], 1e-9);
    }

    private static void CheckShape(ModelShape shape, JsonElement config)
    {
        Assert.Equal(config.GetProperty("hidden").GetInt32(), shape.HiddenSize);
        Assert.Equal(config.GetProperty("layers").GetInt32(), shape.LayerCount);
        Assert.Equal(config.GetProperty("heads").GetInt32(), shape.HeadCount);
        Assert.Equal(config.GetProperty("kv").GetInt32(), shape.KeyValueHeadCount);
        Assert.Equal(config.GetProperty("hd").GetInt32(), shape.HeadSize);
        Assert.Equal(config.GetProperty("ff").GetInt32(), shape.IntermediateSize);
        Assert.Equal(config.GetProperty("vocab").GetInt32(), shape.VocabularySize);
        Assert.Equal(config.GetProperty("tied").GetBoolean(), shape.TiedEmbedding);
    }

    private static void Compare(ModelWeights model, SafetensorsFile golden, string ids, string logits)
    {
        Assert.True(golden.TryGetTensor(ids, out var tokens));
        Assert.True(golden.TryGetTensor(logits, out var expected));
        var width = (int)expected.Shape[^1];
        var actual = ReferenceForwardPass.Logits(model, new ReadOnlySpan<int>(tokens.Data, (int)tokens.ElementCount));
        AssertClose(actual, (t, v) => ((float*)expected.Data)[t * width + v], Float32Noise);
    }

    private static void AssertClose(double[][] actual, Func<int, int, double> expected, double bound)
    {
        var worst = 0.0;
        for (var t = 0; t < actual.Length; t++)
            for (var v = 0; v < actual[t].Length; v++)
                worst = Math.Max(worst, Math.Abs(actual[t][v] - expected(t, v)));
        Assert.InRange(worst, 0, bound);
    }
}
