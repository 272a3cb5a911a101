using TinyLora.Adapters;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>GGUF adapters, and that they are the same as PEFT's own files on whatever base.</summary>
public class GgufAdapterTests
{
    private const string Folder = "golden/gguf/lora";

    [SkippableTheory]
    [InlineData("s-r8-all-f32", "models/stories260k/stories260K-f32.gguf")]
    [InlineData("s-r4-qv-f16", "models/stories260k/stories260K-f32.gguf")]
    [InlineData("l-r8-qv-f32", "golden/gguf/models/llama-64-F32.gguf")]
    [InlineData("q-r8-qv-f32", "golden/gguf/models/qwen2-64-F32.gguf")]
    public void Both_forms_of_an_adapter_become_the_same_bytes(string name, string model)
    {
        using var weights = ModelWeights.Open(Shared.Path(model));
        using var gguf = new LoraAdapter(Shared.Path($"{Folder}/{name}.gguf"));
        using var peft = new LoraAdapter(Shared.Path($"{Folder}/peft/{name}"));
        Assert.Equal(AdapterFormat.Gguf, gguf.Format);
        Assert.Equal(peft.Modules, gguf.Modules);
        Assert.Equal(Bound.Dump(peft, weights), Bound.Dump(gguf, weights));
    }

    [SkippableTheory]
    [InlineData("pirate")]
    [InlineData("commands")]
    public void Both_forms_become_the_same_bytes_on_either_form_of_the_base(string name)
    {
        var folder = Shared.Path("models/lantern");
        var file = Directory.EnumerateFiles(folder, "*.gguf", SearchOption.AllDirectories).First(f => !f.Contains("adapters", StringComparison.Ordinal));
        var directory = Path.GetDirectoryName(Directory.EnumerateFiles(folder, "config.json", SearchOption.AllDirectories).First())!;
        using var gguf = new LoraAdapter(Path.Combine(folder, $"adapters/{name}.gguf"));
        using var peft = new LoraAdapter(Path.Combine(folder, $"adapters/{name}"));
        using var interleaved = ModelWeights.Open(file);
        using var halves = ModelWeights.Open(directory);
        Assert.Equal(RotaryLayout.Interleaved, interleaved.Shape.RotaryLayout);
        Assert.Equal(RotaryLayout.Halves, halves.Shape.RotaryLayout);
        Assert.Equal(Bound.Dump(peft, interleaved), Bound.Dump(gguf, interleaved));
        Assert.Equal(Bound.Dump(peft, halves), Bound.Dump(gguf, halves));
        Assert.NotEqual(Bound.Dump(peft, halves), Bound.Dump(peft, interleaved));
    }

    [SkippableFact]
    public void LoRA_on_head_and_embedding_is_the_same_from_both_forms()
    {
        using var gguf = new LoraAdapter(Shared.Path($"{Folder}/s-r16-all-head-embd-f16.gguf"));
        using var peft = new LoraAdapter(Shared.Path($"{Folder}/peft/s-r16-all-head-embd-f16"));
        using var weights = ModelWeights.Open(Shared.Path("models/stories260k/stories260K-f32.gguf"));
        var dump = Bound.Dump(gguf, weights);
        Assert.Contains(dump, line => line.Contains("Head 1 B", StringComparison.Ordinal));
        Assert.StartsWith("embedding rank 16 times 0.5", dump[^1]);
        Assert.Equal(Bound.Dump(peft, weights), dump);
        Assert.Equal(["embed_tokens", "lm_head"], gguf.Targets.Take(2));
        Assert.Contains(gguf.Modules, module => module is { Layer: -1, Projection: "lm_head" });
    }

    public static TheoryData<string, string> Malformed()
    {
        var rows = new TheoryData<string, string>();
        const string table = "golden/gguf/malformed/expected_lora.tsv";
        if (!Shared.Has(table)) return new() { { "none", "missing" } };
        foreach (var line in File.ReadLines(Shared.Path(table)).Skip(1)) rows.Add(line.Split('\t')[0], line.Split('\t')[1]);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Malformed))]
    public void Each_malformed_file_is_read_or_refused_as_it_should_be(string name, string expected)
    {
        var path = Shared.Path($"golden/gguf/malformed/{name}");
        using var weights = ModelWeights.Open(Shared.Path("golden/gguf/malformed/lora/base.gguf"));
        var error = Record.Exception(() =>
        {
            using var adapter = new LoraAdapter(path);
            Bound.Bind(adapter, weights).Dispose();
        });
        if (expected == "load")
        {
            Assert.Null(error);
            return;
        }
        Assert.StartsWith(path, Assert.IsType<InvalidDataException>(error).Message);
        Assert.DoesNotContain('\n', error!.Message);
    }

    [SkippableFact]
    public void Without_an_alpha_the_product_is_not_divided()
    {
        using var adapter = new LoraAdapter(Shared.Path("golden/gguf/malformed/lora/ok_alpha_0.gguf"));
        Assert.All(adapter.Modules, m => Assert.Equal(1f, m.Scaling));
    }

    [Fact]
    public unsafe void Quantised_tensors_are_widened_also_where_they_are_turned()
    {
        var folder = Directory.CreateTempSubdirectory("quantised").FullName;
        string[] names = ["token_embd.weight.lora_a", "token_embd.weight.lora_b", "blk.0.ffn_down.weight.lora_b"];
        int[] rows = [Weights.TinyModel.VocabularySize, Weights.TinyModel.HiddenSize, Weights.TinyModel.HiddenSize];
        const int rank = 32;
        var random = new Random(8);
        // One file in Q8_0, and one with the numbers that it stands for.
        var paths = new[] { Path.Combine(folder, "q8.gguf"), Path.Combine(folder, "f32.gguf") };
        var writers = paths.Select(_ => new Files.GgufWriter().Key("general.type", "adapter").Key("general.architecture", "llama").Key("adapter.type", "lora").Key("adapter.lora.alpha", 8f)).ToArray();
        for (var i = 0; i < names.Length; i++)
        {
            var values = Enumerable.Range(0, rows[i] * rank).Select(_ => (float)random.NextDouble() - 0.5f).ToArray();
            var blocks = new byte[ElementType.Q8_0.ByteCount(values.Length)];
            fixed (float* numbers = values)
            fixed (byte* bytes = blocks)
            {
                BlockEncoder.Encode(ElementType.Q8_0, numbers, bytes, values.Length);
                Conversions.Decode(ElementType.Q8_0, bytes, numbers, values.Length);
            }
            writers[0].Tensor(names[i], [rows[i], rank], 8, blocks);
            writers[1].Tensor(names[i], [rows[i], rank], 0, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray());
        }
        var model = Path.Combine(folder, "model.gguf");
        File.WriteAllBytes(model, Weights.TinyModel.Gguf().ToArray());
        using var weights = ModelWeights.Open(model);
        for (var i = 0; i < 2; i++) File.WriteAllBytes(paths[i], writers[i].Tensor("blk.0.ffn_down.weight.lora_a", rank, Weights.TinyModel.IntermediateSize).ToArray());
        using (var quantised = new LoraAdapter(paths[0]))
        using (var widened = new LoraAdapter(paths[1]))
            Assert.Equal(Bound.Dump(widened, weights), Bound.Dump(quantised, weights));
        Directory.Delete(folder, recursive: true);
    }
}
