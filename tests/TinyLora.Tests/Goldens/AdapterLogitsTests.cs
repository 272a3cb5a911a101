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
            if (PeftGoldenTests.MethodsOfTraining.Contains(row[0]) || ((string)row[1] == "load" && (string)row[2] == "-" && PeftGoldenTests.FieldOf((string)row[0]) == null)) rows.Add((string)row[0]);
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
        // Several prompts have names of their own.
        foreach (var tensor in golden.Tensors)
        {
            if (!tensor.Name.StartsWith("input_ids", StringComparison.Ordinal)) continue;
            var suffix = tensor.Name["input_ids".Length..];
            CheckCase(session, adapter, golden, suffix, name.EndsWith("-converted", StringComparison.Ordinal) ? 5e-4f : Bound);
        }
    }

    // PISSA and OLoRA were converted by an SVD or QR in float32: PEFT's own figure for these is 5e-4.
    private static void CheckCase(Session session, LoraAdapter adapter, SafetensorsFile golden, string suffix, float bound)
    {
        var model = session.Model;
        var ids = Ids(golden, $"input_ids{suffix}");
        var plain = Run(session, ids);
        Assert.InRange(Distance(plain, Numbers(golden, $"base_logits{suffix}")), 0, Bound);
        model.ApplyLoraAdapter(adapter);
        Assert.InRange(Distance(Run(session, ids), Numbers(golden, $"logits{suffix}")), 0, bound);
        foreach (var scale in (float[])[0.5f, 2, -1, 1, 0])
        {
            adapter.Scale = scale;
            var logits = Run(session, ids);
            if (scale == 0) Assert.Equal(plain, logits);
            if (scale != 0 && golden.TryGetTensor(FormattableString.Invariant($"logits_scale_{scale}"), out var expected)) Assert.InRange(Distance(logits, Numbers(expected)), 0, Bound);
        }
        adapter.Scale = 1;
        CheckGreedy(session, golden, suffix, ids);
        Assert.True(model.RemoveLoraAdapter(adapter));
        Assert.Equal(plain, Run(session, ids));
    }

    /// <summary>Decodes as generate() did, with the cache; one choice may differ where two are as good as equal.</summary>
    private static void CheckGreedy(Session session, SafetensorsFile golden, string suffix, int[] ids)
    {
        if (!golden.TryGetTensor($"greedy{suffix}", out _)) return; // Where PEFT's own rounding decides.
        session.Rewind(0);
        var logits = session.Prefill(ids);
        foreach (var expected in Ids(golden, $"greedy{suffix}"))
        {
            var largest = float.NegativeInfinity;
            foreach (var logit in logits) largest = Math.Max(largest, logit);
            Assert.InRange(largest - logits[expected], 0, 1e-3f);
            logits = session.Decode(expected);
        }
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
        var key = name switch { "mica" or "velora" or "monteclora" => $"logits_{name}", "ok-bf16-a-f16-b" => "logits_mixed", "ok-dora-magnitude-plain-key" or "ok-dora-magnitude-weight-key" => "logits_dora", _ => "logits_ok" };
        Assert.InRange(Distance(Run(session, Ids(golden, "input_ids")), Numbers(golden, key)), 0, Bound);
    }

    [SkippableFact]
    public void Several_at_once_are_summed_and_DoRA_takes_its_turn()
    {
        var folder = Shared.Path("golden/peft/several");
        using var golden = SafetensorsFile.Open($"{folder}/golden.safetensors");
        using var json = JsonDocument.Parse(File.ReadAllBytes($"{folder}/case.json"));
        using var model = Open("llama-plain")!;
        using var session = model.CreateSession();
        var ids = Ids(golden, "input_ids");
        var adapters = new[] { "a", "b", "c", "d", "e" }.ToDictionary(n => n, n => new LoraAdapter($"{folder}/{n}"));
        var runs = 0;
        foreach (var run in json.RootElement.GetProperty("runs").EnumerateArray())
        {
            var active = run.GetProperty("active").EnumerateArray().Select(e => e.GetString()!).ToArray();
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
        Assert.Equal(15, runs);
        session.Adapters.Clear();
        foreach (var adapter in adapters.Values) adapter.Dispose();
    }

    [SkippableTheory]
    [InlineData("plain", "a", "", "b", "c", "a", "b")]
    [InlineData("alora", "al", "", "a", "b", "al", "al")]
    [InlineData("saved", "m", "", "m", "", "m", "m")]
    [InlineData("saved_and_plain", "m", "", "a", "b", "m", "a")]
    public void Rows_of_a_mixed_batch_are_those_of_single_runs(string tag, params string[] active)
    {
        var folder = Shared.Path("golden/peft");
        using var golden = SafetensorsFile.Open($"{folder}/batch/golden.safetensors");
        using var model = Open("llama-plain")!;
        var adapters = active.Where(n => n.Length > 0).Distinct().ToDictionary(n => n, n => new LoraAdapter(n is "m" or "al" ? $"{folder}/batch/{n}" : $"{folder}/several/{n}"));
        var (ids, mask) = (Ids(golden, $"{tag}_right_input_ids"), Ids(golden, $"{tag}_right_attention_mask"));
        var width = ids.Length / active.Length;
        var prompts = active.Select((_, row) => ids[(row * width)..(row * width + mask.Skip(row * width).Take(width).Sum())]).ToArray();
        var sessions = active.Select(name =>
        {
            var session = model.CreateSession();
            if (name.Length > 0) session.Adapters.Add(adapters[name]);
            return session;
        }).ToArray();
        var alone = sessions.Select((session, row) => Run(session, prompts[row])).ToArray();
        for (var row = 0; row < active.Length; row++)
        {
            Assert.InRange(Distance(alone[row], Numbers(golden, $"{tag}_row{row}_logits")), 0, Bound);
            sessions[row].Rewind(prompts[row].Length - 1);
        }
        using (var batch = new Batch(sessions))
        {
            batch.Decode(prompts.Select(p => p[^1]).ToArray());
            for (var row = 0; row < active.Length; row++) Assert.Equal(alone[row][^model.Shape.VocabularySize..], batch.Logits(row).ToArray());
        }
        foreach (var session in sessions) session.Dispose();
        foreach (var adapter in adapters.Values) adapter.Dispose();
    }

    [SkippableTheory]
    [InlineData("stories260K", "models/stories260k/stories260K-f32.gguf", 14)]
    [InlineData("llama-64-F32", "golden/gguf/models/llama-64-F32.gguf", 10)]
    [InlineData("qwen2-64-F32", "golden/gguf/models/qwen2-64-F32.gguf", 10)]
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

    [SkippableFact]
    public void A_trained_adapter_on_a_quantised_model_adds_no_noise_of_its_own()
    {
        var folder = Shared.Path("golden/training/adapters/smollm2-wikisql-r8");
        using var golden = SafetensorsFile.Open($"{folder}/goldens.safetensors");
        using var json = JsonDocument.Parse(File.ReadAllBytes($"{folder}/goldens.json"));
        using var model = Model.Open(Directory.EnumerateFiles(Shared.Path("models/smollm2"), "*.gguf").First());
        using var adapter = new LoraAdapter(folder);
        using var session = model.CreateSession();
        var prompt = 0;
        foreach (var item in json.RootElement.GetProperty("prompts").EnumerateArray())
        {
            var ids = item.GetProperty("ids").EnumerateArray().Select(e => e.GetInt32()).ToArray();
            session.Rewind(0);
            session.Adapters.Clear();
            var plain = session.Prefill(ids).ToArray();
            session.Adapters.Add(adapter);
            session.Rewind(0);
            var adapted = session.Prefill(ids).ToArray();
            var (plainGolden, adaptedGolden) = (Numbers(golden, $"base.{prompt}"), Numbers(golden, $"adapter.{prompt}"));
            var noise = RootMeanSquare(plain, plainGolden);
            var effect = RootMeanSquare(adaptedGolden, plainGolden);
            // The goldens' activations are float32, ours are rounded to 8 bits; that noise is the base's and scatters from prompt to prompt.
            // An adapter left out or scaled by half would be off by half its effect at least.
            Assert.InRange(RootMeanSquare(adapted, adaptedGolden), 0, Math.Min(2 * noise + 0.1f, effect / 3));
            prompt++;
        }
        Assert.Equal(5, prompt);
    }

    private static float RootMeanSquare(float[] a, float[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return (float)Math.Sqrt(sum / a.Length);
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
