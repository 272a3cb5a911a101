using TinyLora.Adapters;
using TinyLora.Files;
using TinyLora.Inference;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using TinyLora.Tests.Oracles;
using TinyLora.Tests.Weights;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Merged models against PEFT's merged weights, and against the same adapters at inference.</summary>
public sealed unsafe class AdapterMergeTests : IDisposable
{
    private const string Folder = "golden/peft";

    private static readonly ModelOptions s_options = new() { ThreadCount = 1 };

    private static readonly int[] s_ids = [5, 9, 33, 200, 147, 80, 1, 44];

    private readonly string _output = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose()
    {
        Delete();
        Assert.Empty(Directory.GetFileSystemEntries(Path.GetDirectoryName(_output)!, Path.GetFileName(_output) + "*"));
    }

    [SkippableTheory]
    [InlineData("r16-all", "models/tinystories-656k", 14)]
    [InlineData("all-linear", $"{Folder}/models/llama-plain", 14)]
    [InlineData("dora-all-rslora", $"{Folder}/models/llama-plain", 14)]
    [InlineData("lora-bias", $"{Folder}/models/llama-biases", 12)]
    [InlineData("lora-embed-untied", $"{Folder}/models/llama-plain", 3)]
    public void Weights_are_those_of_PEFT(string name, string model, int changed)
    {
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/{name}"));
        using var golden = SafetensorsFile.Open(Shared.Path($"{Folder}/merge/{name}/golden.safetensors"));
        var report = AdapterMerge.Merge(Shared.Path(model), [adapter], _output);
        Assert.Equal(changed, report.Count);
        Assert.All(report, tensor => Assert.Equal((ElementType.F32, 0d), (tensor.Type, tensor.Error)));
        var compared = 0;
        using (var weights = ModelWeights.Open(_output))
            foreach (var tensor in weights.Tensors)
            {
                if (!golden.TryGetTensor($"merged.{tensor.Name}", out _)) continue;
                var merged = new ReadOnlySpan<float>(tensor.Data, (int)tensor.ElementCount).ToArray();
                Assert.InRange(GoldenTensor.Distance(merged, GoldenTensor.Floats(golden, $"merged.{tensor.Name}")).Max, 0, 2e-6);
                compared++;
            }
        Assert.Equal(golden.Tensors.Count(tensor => tensor.Name.StartsWith("merged.", StringComparison.Ordinal)), compared);
        using var opened = Model.Open(_output, s_options);
        Assert.InRange(GoldenTensor.Distance(GoldenTensor.Logits(opened, GoldenTensor.Ints(golden, "input_ids")), GoldenTensor.Floats(golden, "logits")).Max, 0, 2e-4);
    }

    [SkippableFact]
    public void Into_brain_floats_the_sum_is_rounded_once()
    {
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/all-linear"));
        using var golden = SafetensorsFile.Open(Shared.Path($"{Folder}/merge/all-linear-into-bf16/golden.safetensors"));
        var folder = Directory.CreateTempSubdirectory("bf16").FullName;
        var plain = Path.Combine(folder, "plain");
        adapter.Scale = 0;
        AdapterMerge.Merge(Shared.Path($"{Folder}/models/llama-plain"), [adapter], plain, ElementType.BF16);
        adapter.Scale = 1;
        var report = AdapterMerge.Merge(plain, [adapter], _output);
        // At most 2⁻⁸, where a mantissa begins, half of that at its end; over √3 for numbers anywhere between.
        Assert.All(report, tensor => Assert.True(tensor.Type == ElementType.BF16 && tensor.Error is > 0.001 and < 0.003, $"{tensor}"));
        var compared = 0;
        using (var before = ModelWeights.Open(plain))
        using (var after = ModelWeights.Open(_output))
            foreach (var tensor in after.Tensors)
            {
                if (!golden.TryGetTensor($"merged.{tensor.Name}", out var merged)) continue;
                var (ours, theirs, original) = (Decode(tensor), Decode(merged), Decode(before.Tensors.Single(other => other.Name == tensor.Name)));
                // PEFT rounds B A and then the sum: half a place of each, and half of ours.
                for (var i = 0; i < ours.Length; i++) Assert.InRange(Math.Abs(ours[i] - theirs[i]), 0, (Math.Abs(theirs[i] - original[i]) + 2.02 * Math.Max(Math.Abs(theirs[i]), Math.Abs(ours[i]))) / 256 * 1.01);
                compared++;
            }
        Assert.Equal(7, compared);
        Directory.Delete(folder, recursive: true);
    }

    [SkippableTheory]
    [InlineData("models/tinystories-656k", "tokens-list-tied,save-norms,dora-qv")]
    [InlineData($"{Folder}/models/llama-plain", "save-lm-head-untied,dora-all-rslora,lora-embed-untied,tokens-dict-untied-both")]
    [InlineData($"{Folder}/models/llama-biases", "bias-all,dora-bias,lora-bias")]
    public void A_merged_model_computes_what_its_adapters_did(string path, string names)
    {
        var adapters = names.Split(',').Select((name, i) => new LoraAdapter(Shared.Path($"{Folder}/adapters/{name}")) { Scale = i % 2 == 0 ? 0.5f : -1 }).ToArray();
        int[] ids = [5, 9, 33, 200, 147, 80, 1, 44];
        using var model = Model.Open(Shared.Path(path), s_options);
        // Two that replace the same rows cannot be on together; then the later ones are left out.
        var active = new List<LoraAdapter>();
        foreach (var adapter in adapters)
        {
            if (Record.Exception(() => model.ApplyLoraAdapter(adapter)) != null) continue;
            active.Add(adapter);
        }
        Assert.True(active.Count > 1);
        var expected = GoldenTensor.Logits(model, ids);
        AdapterMerge.Merge(Shared.Path(path), [.. active], _output);
        using (var merged = Model.Open(_output, s_options)) Assert.InRange(GoldenTensor.Distance(GoldenTensor.Logits(merged, ids), expected).Max, 0, 5e-4);
        foreach (var adapter in active) model.RemoveLoraAdapter(adapter);
        foreach (var adapter in adapters) adapter.Dispose();
    }

    [SkippableFact]
    public void A_quantised_model_is_requantised_and_says_what_that_costs()
    {
        var path = Shared.Path("models/lantern/lantern-3m-Q8_0.gguf");
        using var adapter = new LoraAdapter(Shared.Path("models/lantern/adapters/pirate"));
        var report = AdapterMerge.Merge(path, [adapter], _output);
        Assert.Equal(adapter.Modules.Count, report.Count);
        // Steps of 1 / 127 of a block's largest number: half a step over √3, where that number is three standard deviations.
        Assert.All(report, tensor => Assert.True(tensor.Type == ElementType.Q8_0 && tensor.Error is > 0.002 and < 0.02 && tensor.Change > tensor.Error, $"{tensor}"));
        int[] ids = [5, 9, 33, 200, 147, 80, 1, 44];
        using var model = Model.Open(path, s_options);
        using var merged = Model.Open(_output, s_options);
        var plain = GoldenTensor.Logits(model, ids);
        model.ApplyLoraAdapter(adapter);
        var adapted = GoldenTensor.Logits(model, ids);
        model.RemoveLoraAdapter(adapter);
        var (noise, effect) = (GoldenTensor.Distance(GoldenTensor.Logits(merged, ids), adapted).Rms, GoldenTensor.Distance(plain, adapted).Rms);
        Assert.True(noise < effect / 10, $"{noise} {effect}");
    }

    [SkippableTheory]
    [InlineData("lora-bias-no-base-bias", "llama-plain", "_proj.bias")]
    [InlineData("alora-all", "llama-plain", "invocation tokens")]
    public void What_cannot_be_merged_is_refused_by_name(string name, string model, string what)
    {
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/{name}"));
        var message = Assert.Throws<InvalidDataException>(() => AdapterMerge.Merge(Shared.Path($"{Folder}/models/{model}"), [adapter], _output)).Message;
        Assert.Contains(what, message);
        Assert.Contains("unmerged", message);
        Assert.False(Path.Exists(_output));
        adapter.Scale = 0;
        Assert.Empty(AdapterMerge.Merge(Shared.Path($"{Folder}/models/{model}"), [adapter], _output));
    }

    [SkippableTheory]
    [InlineData("lora-head-tied", "llama-tied", true)]
    [InlineData("lora-embed-tied", "llama-tied", true)]
    [InlineData("lora-embed-tied-ensured", "llama-tied", true)]
    [InlineData("save-lm-head-tied", "llama-tied", true)]
    [InlineData("save-embed-tied", "llama-tied", true)]
    [InlineData("save-both-tied", "llama-tied", true)]
    [InlineData("tokens-dict-tied", "llama-tied", false)]
    [InlineData("tokens-list-tied", "../../../models/tinystories-656k", false)]
    [InlineData("dora-embed", "llama-plain", false)]
    public void Sides_of_a_tied_pair_part_where_adapters_part_them(string name, string folder, bool unties)
    {
        var path = Shared.Path($"{Folder}/models/{folder}");
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/{name}")) { Scale = 0.7f };
        CheckMerged(path, [adapter], 2e-4);
        using var before = ModelWeights.Open(path);
        using var after = ModelWeights.Open(_output);
        Assert.Equal(before.Shape.TiedEmbedding && !unties, after.Shape.TiedEmbedding);
        Assert.Equal(before.Tensors.Count + (unties ? 1 : 0), after.Tensors.Count);
        // The configuration says so too, once.
        var config = File.ReadAllText(Path.Combine(_output, "config.json"));
        Assert.Equal(2, config.Split("tie_word_embeddings").Length);
        Assert.Empty(Directory.GetFiles(_output, "*.gguf"));
        Assert.True(!File.Exists(Path.Combine(path, "tokenizer.json")) || File.Exists(Path.Combine(_output, "tokenizer.json")));
    }

    [SkippableTheory]
    [InlineData("golden/gguf/models/llama-64-F32.gguf", 0, "projections", "projections-and-lora", "dora-all", "rows-of-both", "norms", "mlx-embedding", "mlx-dora", "lora-bias")]
    [InlineData("golden/gguf/models/llama-bias-64-F32.gguf", 1, "projections", "dora-all", "rows-of-both", "mlx-embedding", "mlx-head", "lora-bias")]
    [InlineData("golden/peft/models/llama-tied", 1, "projections", "dora-all", "rows-of-both", "mlx-both", "mlx-head")]
    [InlineData("golden/peft/models/qwen3", 1, "norms", "projections-and-lora")]
    [InlineData("golden/peft/models/llama-biases", 0, "projections", "lora-bias", "dora-all")]
    public void A_merged_model_computes_what_the_formulas_say(string model, int added, params string[] names)
    {
        var path = Shared.Path(model);
        foreach (var name in names)
        {
            using var weights = ModelWeights.Open(path);
            using var files = name == "lora-bias" ? new RandomAdapter(weights, 9).Lora(WeightKind.Query, 0, 3).Lora(WeightKind.Value, 1, 2).BiasesOfB().WritePeft() : AdapterSemanticsTests.Make(name, weights);
            using var adapter = new LoraAdapter(files.Folder) { Scale = -0.6f };
            var report = CheckMerged(path, [adapter], 2e-4);
            Assert.All(report, tensor => Assert.Equal((ElementType.F32, 0d), (tensor.Type, tensor.Error)));
            using (var merged = Model.Open(_output, s_options)) AdapterSemanticsTests.AssertClose(AdapterSemanticsTests.Expected(files, adapter.Scale, s_ids), GoldenTensor.Logits(merged, s_ids), 2e-4);
            using (var merged = ModelWeights.Open(_output))
            {
                var hasBias = name == "lora-bias" && weights.Layers[0].Query.Bias == null;
                Assert.Equal(weights.Tensors.Count + (hasBias ? 2 : name is "norms" or "projections" or "lora-bias" ? 0 : added), merged.Tensors.Count);
            }
            Delete();
        }
    }

    [Theory]
    [InlineData("model.embed_tokens.weight", "lm_head.weight")]
    [InlineData("shared.weight", "model.embed_tokens.weight")]
    public void One_tensor_under_two_names_becomes_two_where_adapters_part_them(string stored, string alias)
    {
        var folder = Directory.CreateTempSubdirectory("alias").FullName;
        var numbers = Enumerable.Range(0, TinyModel.VocabularySize * TinyModel.HiddenSize).Select(i => i * 0.125f - 2).ToArray();
        TinyModel.Folder(folder, $$"""{"tie_word_embeddings":{{(stored == "shared.weight" ? "true" : "false")}}}""", (writer, kind) =>
        {
            if (kind == WeightKind.Embedding)
                writer.Metadata(alias, stored).Tensor(stored, "F32", [TinyModel.VocabularySize, TinyModel.HiddenSize], System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray());
            return kind is WeightKind.Embedding or WeightKind.Head;
        });
        using (var weights = ModelWeights.Open(folder))
        using (var files = new RandomAdapter(weights, 2).Lora(WeightKind.Embedding, 0, 2).WritePeft())
        using (var adapter = new LoraAdapter(files.Folder))
        {
            AdapterMerge.Merge(folder, [adapter], _output);
            var expected = files.Applied(1);
            using var merged = ModelWeights.Open(_output);
            var actual = new ReferenceModel(merged);
            Assert.False(merged.Shape.TiedEmbedding);
            foreach (var kind in (WeightKind[])[WeightKind.Embedding, WeightKind.Head])
                for (var row = 0; row < TinyModel.VocabularySize; row++)
                    for (var k = 0; k < TinyModel.HiddenSize; k++) Assert.Equal(expected.Matrix(kind, 0)[row][k], actual.Matrix(kind, 0)[row][k], 1e-6);
        }
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>lora_bias under another adapter's DoRA: the gain multiplies what came before it.</summary>
    [SkippableFact]
    public void Biases_pass_through_the_gains_of_later_adapters()
    {
        var path = Shared.Path("golden/gguf/models/llama-64-F32.gguf");
        using var weights = ModelWeights.Open(path);
        using var biased = new RandomAdapter(weights, 9).Lora(WeightKind.Key, 0, 3).Lora(WeightKind.Value, 1, 2).BiasesOfB().WritePeft();
        using var dora = new RandomAdapter(weights, 8).Lora(WeightKind.Key, 0, 4).Lora(WeightKind.Value, 1, 4).Magnitudes().WritePeft();
        using var first = new LoraAdapter(biased.Folder) { Scale = 0.5f };
        using var second = new LoraAdapter(dora.Folder);
        CheckMerged(path, [first, second], 2e-4);
    }

    [SkippableTheory]
    [InlineData("llama-256-Q4_K", ElementType.Q4_K, 0.12)]
    [InlineData("llama-256-Q5_K", ElementType.Q5_K, 0.06)]
    [InlineData("llama-256-Q6_K", ElementType.Q6_K, 0.03)]
    [InlineData("qwen2-256-Q4_K_M", ElementType.Q4_K, 0.12)]
    public void K_types_are_requantised_and_untouched_blocks_keep_their_bytes(string name, ElementType type, double worst)
    {
        var path = Shared.Path($"golden/gguf/models/{name}.gguf");
        using var weights = ModelWeights.Open(path);
        using var files = new RandomAdapter(weights, 4).Lora(WeightKind.Query, 0, 4).Lora(WeightKind.Down, 1, 4).TokenRows(WeightKind.Embedding, 7, 100).WritePeft();
        using var adapter = new LoraAdapter(files.Folder) { Scale = 0.3f };
        var report = AdapterMerge.Merge(path, [adapter], _output);
        Assert.Equal(weights.Shape.TiedEmbedding || !report.Any(t => t.Name == "output.weight") ? 3 : 4, report.Count);
        Assert.All(report.Where(tensor => tensor.Type == type), tensor => Assert.InRange(tensor.Error, 1e-4, worst));
        Assert.Contains(report, tensor => tensor.Type == type);
        using var merged = ModelWeights.Open(_output);
        for (var i = 0; i < weights.Tensors.Count; i++)
        {
            var (before, after) = (weights.Tensors[i], merged.Tensors[i]);
            Assert.Equal((before.Name, before.Type, before.ByteCount), (after.Name, after.Type, after.ByteCount));
            if (!report.Any(tensor => tensor.Name == before.Name))
            {
                Assert.True(new ReadOnlySpan<byte>(before.Data, (int)before.ByteCount).SequenceEqual(new ReadOnlySpan<byte>(after.Data, (int)after.ByteCount)));
            }
            else if (before.Name == "token_embd.weight")
            {
                var bytes = (int)before.Type!.Value.ByteCount(before.Shape[1]);
                for (var row = 0; row < before.Shape[0]; row++)
                    Assert.Equal(row is not (7 or 100), new ReadOnlySpan<byte>(before.Data + row * bytes, bytes).SequenceEqual(new ReadOnlySpan<byte>(after.Data + row * bytes, bytes)));
            }
        }
    }

    [SkippableTheory]
    [InlineData("golden/gguf/models/llama-256-Q4_K.gguf", ElementType.F32)]
    [InlineData("golden/gguf/models/llama-256-Q4_K.gguf", ElementType.Q6_K)]
    [InlineData("golden/gguf/models/llama-256-Q4_K.gguf", ElementType.Q8_0)]
    [InlineData("golden/gguf/models/llama-256-Q4_K.gguf", ElementType.BF16)]
    [InlineData("golden/peft/models/llama-tied", ElementType.BF16)]
    [InlineData("golden/peft/models/llama-tied", ElementType.F16)]
    public void All_matrices_are_stored_in_the_type_that_is_asked_for(string model, ElementType type)
    {
        var path = Shared.Path(model);
        using var weights = ModelWeights.Open(path);
        using var files = new RandomAdapter(weights, 4).Lora(WeightKind.Query, 0, 4).Lora(WeightKind.Head, 0, 2).WritePeft();
        using var adapter = new LoraAdapter(files.Folder);
        var report = AdapterMerge.Merge(path, [adapter], _output, type);
        // A folder has one type; the norms of a GGUF stay float32.
        Assert.Equal(7 * weights.Shape.LayerCount + 2 + (weights.Folder == null || type == ElementType.F32 ? 0 : 2 * weights.Shape.LayerCount + 1), report.Count);
        Assert.All(report, tensor => Assert.True(tensor.Type == type && tensor.Error <= (type == ElementType.Q6_K ? 0.03 : type == ElementType.Q8_0 ? 0.01 : 0.004), $"{tensor}"));
        using var merged = ModelWeights.Open(_output);
        Assert.All(merged.Tensors.Where(tensor => tensor.Shape.Count == 2 || merged.Folder != null), tensor => Assert.Equal(type, tensor.Type));
        if (type == ElementType.F32)
        {
            using var model32 = Model.Open(_output, s_options);
            AdapterSemanticsTests.AssertClose(AdapterSemanticsTests.Expected(files, 1, s_ids), GoldenTensor.Logits(model32, s_ids), 2e-4);
        }
        if (merged.Folder != null) Assert.Contains(type == ElementType.F16 ? "float16" : "bfloat16", File.ReadAllText(Path.Combine(_output, "config.json")));
    }

    [SkippableTheory]
    [InlineData("golden/gguf/models/llama-64-F32.gguf")]
    [InlineData($"{Folder}/models/llama-plain")]
    public void A_merge_that_is_cancelled_leaves_nothing(string model)
    {
        using var weights = ModelWeights.Open(Shared.Path(model));
        using var files = new RandomAdapter(weights, 4).Lora(WeightKind.Query, 0, 4).WritePeft();
        using var adapter = new LoraAdapter(files.Folder);
        foreach (var scale in (float[])[1, 0])
        {
            // At 0 nothing is computed, all is copied.
            adapter.Scale = scale;
            Assert.Throws<OperationCanceledException>(() => AdapterMerge.Merge(weights.Path, [adapter], _output, cancellation: new CancellationToken(canceled: true)));
            Assert.False(Path.Exists(_output));
        }
    }

    [SkippableFact]
    public void Norms_and_biases_of_a_folder_take_the_type_too()
    {
        // What is trained in float32 is not rounded to a base's half precision.
        var half = _output + ".half";
        using (var weights = ModelWeights.Open(Shared.Path($"{Folder}/models/llama-biases")))
        using (var small = new RandomAdapter(weights, 4).Lora(WeightKind.Query, 0, 4).WritePeft())
        using (var adapter = new LoraAdapter(small.Folder))
            AdapterMerge.Merge(weights.Path, [adapter], half, ElementType.BF16);
        using (var weights = ModelWeights.Open(half))
        {
            Assert.All(weights.Tensors, tensor => Assert.Equal(ElementType.BF16, tensor.Type));
            using var files = new RandomAdapter(weights, 5).Lora(WeightKind.Query, 0, 4).Save(WeightKind.FinalNorm, 0).Save(WeightKind.MlpNorm, 1).Biases().WritePeft();
            using var adapter = new LoraAdapter(files.Folder);
            AdapterMerge.Merge(half, [adapter], _output, ElementType.F32);
            using var merged = Model.Open(_output, s_options);
            AdapterSemanticsTests.AssertClose(AdapterSemanticsTests.Expected(files, 1, s_ids), GoldenTensor.Logits(merged, s_ids), 2e-4);
        }
        Directory.Delete(half, recursive: true);
    }

    [SkippableFact]
    public void A_type_that_the_rows_or_the_form_cannot_hold_is_refused()
    {
        using var weights = ModelWeights.Open(Shared.Path("golden/gguf/models/llama-64-F32.gguf"));
        using var files = new RandomAdapter(weights, 4).Lora(WeightKind.Query, 0, 4).WritePeft();
        using var adapter = new LoraAdapter(files.Folder);
        Assert.Contains("256", Assert.Throws<InvalidDataException>(() => AdapterMerge.Merge(weights.Path, [adapter], _output, ElementType.Q4_K)).Message);
        Assert.Contains("Hugging Face", Assert.Throws<ArgumentException>(() => AdapterMerge.Merge(Shared.Path($"{Folder}/models/llama-plain"), [adapter], _output, ElementType.Q8_0)).Message);
        Assert.False(Path.Exists(_output));
    }

    [SkippableFact]
    public void Shards_keep_their_tensors_and_the_index_names_them()
    {
        var path = Directory.GetFiles(Shared.Path($"{Folder}/models"), "model.safetensors.index.json", SearchOption.AllDirectories).Select(file => Path.GetDirectoryName(file)!)
            .FirstOrDefault(folder => Record.Exception(() => ModelWeights.Open(folder).Dispose()) == null);
        Skip.If(path == null, "No model of several files is supported.");
        using var weights = ModelWeights.Open(path!);
        using var files = new RandomAdapter(weights, 4).LoraOnAll().WritePeft();
        using var adapter = new LoraAdapter(files.Folder);
        CheckMerged(path!, [adapter], 0.1);
        using var merged = ModelWeights.Open(_output);
        Assert.Equal(weights.Tensors.Select(tensor => (tensor.Name, Path.GetFileName(tensor.Path))), merged.Tensors.Select(tensor => (tensor.Name, Path.GetFileName(tensor.Path))));
    }

    /// <summary>Logits of the merged model against those of the adapters at inference.</summary>
    private IReadOnlyList<MergedTensor> CheckMerged(string path, LoraAdapter[] adapters, double bound)
    {
        float[] expected;
        using (var model = Model.Open(path, s_options))
        {
            foreach (var adapter in adapters) model.ApplyLoraAdapter(adapter);
            expected = GoldenTensor.Logits(model, s_ids);
            foreach (var adapter in adapters) model.RemoveLoraAdapter(adapter);
        }
        var report = AdapterMerge.Merge(path, adapters, _output);
        using var merged = Model.Open(_output, s_options);
        Assert.InRange(GoldenTensor.Distance(GoldenTensor.Logits(merged, s_ids), expected).Max, 0, bound);
        return report;
    }

    private static float[] Decode(TensorEntry tensor)
    {
        var values = new float[tensor.ElementCount];
        fixed (float* to = values) Conversions.Decode(tensor.Type!.Value, tensor.Data, to, values.Length);
        return values;
    }

    private void Delete()
    {
        if (Directory.Exists(_output)) Directory.Delete(_output, recursive: true);
        File.Delete(_output);
    }
}
