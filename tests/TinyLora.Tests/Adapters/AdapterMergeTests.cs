using TinyLora.Adapters;
using TinyLora.Files;
using TinyLora.Inference;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Merged models against PEFT's merged weights, and against the same adapters at inference.</summary>
public sealed unsafe class AdapterMergeTests : IDisposable
{
    private const string Folder = "golden/peft";

    private static readonly ModelOptions s_options = new() { ThreadCount = 1 };

    private readonly string _output = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose()
    {
        if (Directory.Exists(_output)) Directory.Delete(_output, recursive: true);
        File.Delete(_output);
        Assert.False(Path.Exists(_output + ".unfinished"));
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
        Assert.All(report, tensor => Assert.True(tensor.Type == ElementType.Q8_0 && tensor.Error is > 0.002 and < 0.02, $"{tensor}"));
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
    [InlineData("lora-head-tied", "llama-tied", "tied")]
    [InlineData("lora-embed-tied", "llama-tied", "tied")]
    [InlineData("save-embed-tied", "llama-tied", "tied")]
    [InlineData("lora-bias-no-base-bias", "llama-plain", "_proj.bias")]
    [InlineData("alora-all", "llama-plain", "invocation tokens")]
    [InlineData("dora-embed", "llama-plain", "embedding")]
    public void What_cannot_be_merged_is_refused_by_name(string name, string model, string what)
    {
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/{name}"));
        Assert.Contains(what, Assert.Throws<InvalidDataException>(() => AdapterMerge.Merge(Shared.Path($"{Folder}/models/{model}"), [adapter], _output)).Message);
        Assert.False(Path.Exists(_output));
        adapter.Scale = 0;
        Assert.Empty(AdapterMerge.Merge(Shared.Path($"{Folder}/models/{model}"), [adapter], _output));
    }

    [Theory]
    [InlineData(ElementType.F16, 0.0005)]
    [InlineData(ElementType.BF16, 0.004)]
    [InlineData(ElementType.Q8_0, 0.5 / 127)]
    [InlineData(ElementType.Q5_0, 1.0 / 16)]
    [InlineData(ElementType.Q5_1, 1.0 / 31)]
    [InlineData(ElementType.Q4_0, 1.0 / 8)]
    [InlineData(ElementType.Q4_1, 1.0 / 15)]
    public void Numbers_are_rounded_to_the_nearest_and_what_was_stored_stays(ElementType type, double step)
    {
        var random = new Random(5);
        using var memory = new AlignedBuffer(4096);
        var (values, blocks, decoded) = ((nint)memory.Pointer, (nint)memory.Pointer + 1024, (nint)memory.Pointer + 2048);
        for (var i = 0; i < 64; i++) ((float*)values)[i] = (float)(random.NextDouble() * 2 - 1);
        for (var i = 32; i < 64; i++) ((float*)values)[i] *= 1000;
        BlockEncoder.Encode(type, (float*)values, (byte*)blocks, 64);
        Conversions.Decode(type, (byte*)blocks, (float*)decoded, 64);
        // Half a step, and the rounding of the scale itself.
        for (var i = 0; i < 64; i++) Assert.InRange(((float*)decoded)[i] - ((float*)values)[i], -1.01 * step * (i < 32 ? 1 : 1000), 1.01 * step * (i < 32 ? 1 : 1000));
        var first = new ReadOnlySpan<byte>((byte*)blocks, (int)type.ByteCount(64)).ToArray();
        BlockEncoder.Encode(type, (float*)decoded, (byte*)blocks, 64);
        Conversions.Decode(type, (byte*)blocks, (float*)values, 64);
        for (var i = 0; i < 64; i++) Assert.Equal(((float*)decoded)[i], ((float*)values)[i], Math.Abs(((float*)decoded)[i]) * 0.003f + 1e-3f * (i < 32 ? 1 : 1000));
        Assert.Equal((int)type.ByteCount(64), first.Length);
    }
}
