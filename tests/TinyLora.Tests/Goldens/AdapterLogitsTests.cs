using System.Text.Json;
using TinyLora.Adapters;
using TinyLora.Files;
using TinyLora.Inference;
using TinyLora.Tests.Adapters;
using Xunit;

namespace TinyLora.Tests.Goldens;

/// <summary>Logits under adapters against PEFT's and against a float64 forward pass.</summary>
public class AdapterLogitsTests
{
    // The goldens' own float32 noise is 2e-5 at most; ten times that for another order of the sums. The smallest effect of a wrong rule is 0.07.
    private const float Bound = 2e-4f;

    private static readonly ModelOptions s_options = new() { ThreadCount = 1 };

    public static TheoryData<string, string, string> PeftCases()
    {
        var rows = new TheoryData<string, string, string>();
        foreach (var row in PeftGoldenTests.Goldens())
            if (PeftGoldenTests.FieldOf((string)row[0]) == null) rows.Add((string)row[0], (string)row[1], (string)row[2]);
        return rows;
    }

    public static TheoryData<string> RefuseFolderThatLoads()
    {
        var rows = new TheoryData<string>();
        foreach (var row in PeftGoldenTests.Refusals())
            if ((string)row[1] == "load" && (string)row[2] == "-" && PeftGoldenTests.FieldOf((string)row[0]) == null) rows.Add((string)row[0]);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(PeftCases))]
    public void Logits_under_an_adapter_are_those_of_PEFT(string name, string baseModel, string adapterPath)
    {
        using var golden = SafetensorsFile.Open(Shared.Path($"golden/peft/adapters/{name}/golden.safetensors"));
        using var model = Open(baseModel);
        Skip.If(model == null, $"{baseModel} is of an architecture that is not supported.");
        using var adapter = new LoraAdapter(Shared.Path($"golden/peft/adapters/{adapterPath}"));
        using var session = model.CreateSession();
        var ids = Ids(golden, "input_ids");
        var plain = Run(session, ids);
        Assert.InRange(Distance(plain, Numbers(golden, "base_logits")), 0, Bound);
        model.ApplyLoraAdapter(adapter);
        // PISSA and OLoRA were converted by an SVD or QR in float32: PEFT's own figure for these is 5e-4.
        Assert.InRange(Distance(Run(session, ids), Numbers(golden, "logits")), 0, name.EndsWith("-converted", StringComparison.Ordinal) ? 5e-4f : Bound);
        foreach (var scale in (float[])[0.5f, 2, -1, 1, 0])
        {
            adapter.Scale = scale;
            var logits = Run(session, ids);
            if (scale == 0) Assert.Equal(plain, logits);
            if (golden.TryGetTensor(FormattableString.Invariant($"logits_scale_{scale}"), out var expected)) Assert.InRange(Distance(logits, Numbers(expected)), 0, Bound);
        }
        adapter.Scale = 1;
        Assert.True(model.RemoveLoraAdapter(adapter));
        Assert.Equal(plain, Run(session, ids));
    }

    [SkippableTheory]
    [MemberData(nameof(RefuseFolderThatLoads))]
    public void Odd_but_sound_folders_give_their_logits(string name)
    {
        using var golden = SafetensorsFile.Open(Shared.Path("golden/peft/refuse/golden.safetensors"));
        using var model = Open("llama-plain")!;
        using var adapter = new LoraAdapter(Shared.Path($"golden/peft/refuse/{name}"));
        using var session = model.CreateSession();
        session.Adapters.Add(adapter);
        var key = name switch { "mica" => "logits_mica", "ok-bf16-a-f16-b" => "logits_mixed", _ => "logits_ok" };
        Assert.InRange(Distance(Run(session, Ids(golden, "input_ids")), Numbers(golden, key)), 0, Bound);
    }

    [SkippableFact]
    public void Several_at_once_are_summed()
    {
        var folder = Shared.Path("golden/peft/several");
        using var golden = SafetensorsFile.Open($"{folder}/golden.safetensors");
        using var json = JsonDocument.Parse(File.ReadAllBytes($"{folder}/case.json"));
        using var model = Open("llama-plain")!;
        using var session = model.CreateSession();
        var ids = Ids(golden, "input_ids");
        var adapters = new[] { "a", "b", "c" }.ToDictionary(n => n, n => new LoraAdapter($"{folder}/{n}"));
        var runs = 0;
        foreach (var run in json.RootElement.GetProperty("runs").EnumerateArray())
        {
            var active = run.GetProperty("active").EnumerateArray().Select(e => e.GetString()!).ToArray();
            if (!active.All(adapters.ContainsKey)) continue; // DoRA
            var scales = run.GetProperty("scales").EnumerateArray().Select(e => e.GetSingle()).ToArray();
            session.Adapters.Clear();
            for (var i = 0; i < active.Length; i++)
            {
                adapters[active[i]].Scale = scales[i];
                session.Adapters.Add(adapters[active[i]]);
            }
            Assert.InRange(Distance(Run(session, ids), Numbers(golden, run.GetProperty("key").GetString()!)), 0, Bound);
            runs++;
        }
        Assert.Equal(9, runs);
        session.Adapters.Clear();
        foreach (var adapter in adapters.Values) adapter.Dispose();
    }

    [SkippableTheory]
    [InlineData("stories260K", "models/stories260k/stories260K-f32.gguf", 8)]
    [InlineData("llama-64-F32", "golden/gguf/models/llama-64-F32.gguf", 5)]
    [InlineData("qwen2-64-F32", "golden/gguf/models/qwen2-64-F32.gguf", 5)]
    public void Logits_under_GGUF_adapters_are_those_of_exact_arithmetic(string name, string path, int expectedRuns)
    {
        var folder = Shared.Path("golden/gguf/lora");
        using var golden = SafetensorsFile.Open($"{folder}/{name}.golden.safetensors");
        using var json = JsonDocument.Parse(File.ReadAllBytes($"{folder}/{name}.golden.json"));
        using var model = Model.Open(Shared.Path(path), s_options);
        using var session = model.CreateSession();
        var ids = Ids(golden, "input_ids");
        var runs = 0;
        foreach (var run in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var active = run.GetProperty("adapters").EnumerateArray().Select(e => (Name: e.GetProperty("name").GetString()!, Scale: e.GetProperty("scale").GetSingle())).ToArray();
            if (active.Any(a => a.Name.Contains("-all-f16", StringComparison.Ordinal) || a.Name.Contains("-head-", StringComparison.Ordinal))) continue; // LoRA on the head
            foreach (var form in (string[])["{0}/{1}.gguf", "{0}/peft/{1}"])
            {
                var adapters = active.Select(a => new LoraAdapter(string.Format(null, form, folder, a.Name)) { Scale = a.Scale }).ToArray();
                foreach (var adapter in adapters) session.Adapters.Add(adapter);
                Assert.InRange(Distance(Run(session, ids), Numbers(golden, $"{run.GetProperty("key").GetString()}.logits_f64")), 0, Bound);
                session.Adapters.Clear();
                foreach (var adapter in adapters) adapter.Dispose();
            }
            runs++;
        }
        Assert.Equal(expectedRuns, runs);
    }

    private static Model? Open(string name)
    {
        try
        {
            return Model.Open(name == "tinystories-656k" ? Shared.Path("models/tinystories-656k") : Shared.Path($"golden/peft/models/{name}"), s_options);
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    private static float[] Run(Session session, int[] ids)
    {
        var logits = new float[ids.Length * session.Model.Shape.VocabularySize];
        session.Rewind(0);
        session.Prefill(ids, logits);
        return logits;
    }

    private static float Distance(float[] actual, float[] expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = 0f;
        for (var i = 0; i < actual.Length; i++)
        {
            var distance = Math.Abs(actual[i] - expected[i]);
            if (!(distance <= largest)) largest = distance; // NaN too
        }
        return largest;
    }

    private static int[] Ids(SafetensorsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor));
        unsafe
        {
            return new ReadOnlySpan<int>(tensor.Data, (int)tensor.ElementCount).ToArray();
        }
    }

    private static float[] Numbers(SafetensorsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor), name);
        return Numbers(tensor);
    }

    private static unsafe float[] Numbers(TensorEntry tensor) => new ReadOnlySpan<float>(tensor.Data, (int)tensor.ElementCount).ToArray();
}
