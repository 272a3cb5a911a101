using TinyLora.Numerics;
using System.Text.Json;
using TinyLora.Files;
using TinyLora.Inference;
using Xunit.Abstractions;

namespace TinyLora.Tests.Goldens;

/// <summary>Greedy texts of the goldens. Ours may part from one only where the golden's two best logits are nearer to each other than twice the noise of a logit.</summary>
public class GreedyGoldenTests(ITestOutputHelper output)
{
    // The float32 noise that the goldens' own logits have (2.5e-5), ten times, twice.
    private const double FloatGap = 5e-4;

    public static TheoryData<string> GgufModels() => [.. Names().Where(CoveredModels.Gguf)];

    public static TheoryData<string> Folders() => [.. FolderNames().Where(CoveredModels.Folder)];

    [SkippableTheory]
    [MemberData(nameof(GgufModels))]
    public void Gguf_model(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"golden/gguf/models/{name}.golden.json")));
        using var model = Model.Open(Shared.Path($"golden/gguf/models/{name}.gguf"), new ModelOptions { ThreadCount = 1 });
        using var session = model.CreateSession();
        using var tensors = SafetensorsFile.Open(Shared.Path($"golden/gguf/models/{name}.golden.safetensors"));
        foreach (var prompt in json.RootElement.GetProperty("prompts").EnumerateArray())
        {
            var key = prompt.GetProperty("key").GetString()!;
            if (!key.StartsWith('p') || key.Contains('_', StringComparison.Ordinal)) continue;
            var ids = GoldenTensor.Ints(tensors, $"{key}.input_ids");
            var exact = GoldenTensor.Floats(tensors, $"{key}.logits_f64");
            // The noise of this file's logits is measured where the golden has them: eight-bit activations move each alike.
            var noise = model.Weights.Layers[0].Query.Type.IsQuantized() ? 2 * GoldenTensor.Distance(GoldenTensor.Logits(model, ids), exact).Max : FloatGap;
            Check($"{name} {key}", session, ids, Ids(prompt.GetProperty("f64_greedy")), Numbers(prompt.GetProperty("f64_gap")), noise);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Folders))]
    public void Folder(string name)
    {
        var folder = Shared.Path($"golden/peft/models/{name}");
        using var tensors = SafetensorsFile.Open(Path.Combine(folder, "golden.safetensors"));
        Skip.IfNot(tensors.TryGetTensor("greedy", out _), $"{name} has no greedy text.");
        using var model = Model.Open(folder, new ModelOptions { ThreadCount = 1 });
        using var session = model.CreateSession();
        var ids = GoldenTensor.Ints(tensors, "input_ids");
        var expected = GoldenTensor.Ints(tensors, "greedy");
        // The smallest gap of all is 1e-2, far above float32's noise: equal, without exception.
        Assert.Equal(expected, Greedy.Decode(session, ids, expected.Length));
    }

    [SkippableFact]
    public void Stories_of_llama_cpp()
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("golden/llamacpp-greedy.json")));
        foreach (var entry in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var name = entry.GetProperty("model").GetString()!;
            using var model = Model.Open(Shared.Path($"models/{name}"), new ModelOptions { ThreadCount = 1 });
            using var session = model.CreateSession();
            var expected = Ids(entry.GetProperty("greedy_tokens"));
            var ours = Greedy.Decode(session, Ids(entry.GetProperty("prompt_tokens")), expected.Length);
            var at = Greedy.Parting(expected, ours);
            output.WriteLine($"{name}: {(at < 0 ? "equal" : $"parts at {at} of {expected.Length}")}");
            if (at < 0) continue;
            // The file holds no gaps: our own says how near the two were. Its F16 runs rounded activations to half precision, its others to 8 bits.
            var bound = name.Contains("f32", StringComparison.Ordinal) ? FloatGap : name.Contains("F16", StringComparison.Ordinal) ? 0.05 : 1.0;
            session.Rewind(session.Position - (ours.Count - 1 - at));
            session.Rewind(session.Position - 1);
            var logits = session.Decode(at == 0 ? Ids(entry.GetProperty("prompt_tokens"))[^1] : ours[at - 1]);
            Assert.InRange(logits[ours[at]] - logits[expected[at]], 0, bound);
        }
    }

    // The model of the hub: its eight-bit activations move a logit by 0.2 to 0.45 rms, 1.1 to 2.6 at most, in llama.cpp as in a float64 pass with the same rounding.
    [SkippableFact]
    public void SmolLM2()
    {
        var path = Shared.Path("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("golden/gguf/smollm2/greedy.json")));
        using var tensors = SafetensorsFile.Open(Shared.Path("golden/gguf/smollm2/logits.safetensors"));
        using var model = Model.Open(path);
        using var session = model.CreateSession(new SessionOptions { ContextLength = 1024 });
        var (equal, positions) = (0, 0);
        foreach (var entry in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var name = entry.GetProperty("name").GetString()!;
            var ids = GoldenTensor.Ints(tensors, $"{name}.input_ids");
            var exact = GoldenTensor.Floats(tensors, $"{name}.logits_last4");
            var top = GoldenTensor.Ints(tensors, $"{name}.top20");
            var logits = new float[ids.Length * model.Shape.VocabularySize];
            session.Rewind(0);
            session.Prefill(ids, logits);
            var same = 0;
            for (var i = 0; i < ids.Length; i++)
                if (Greedy.Best(logits.AsSpan(i * model.Shape.VocabularySize, model.Shape.VocabularySize)) == top[20 * i]) same++;
            (equal, positions) = (equal + same, positions + ids.Length);
            var (rms, max) = GoldenTensor.Distance(logits.AsSpan(logits.Length - exact.Length), exact);
            output.WriteLine($"{name}: rms {rms:g3}, max {max:g3} over the last four; best token equal at {same} of {ids.Length}");
            Assert.InRange(rms, 0, 0.45);
            Assert.InRange(max, 0, 2.6);
            // The rest of the text is decoded one token at a time: three cases have room in a test's seconds.
            if (name is not ("chat" or "raw" or "unicode")) continue;
            var golden = entry.GetProperty("transformers_f32");
            var expected = Ids(golden.GetProperty("ids"))[..32];
            var at = Greedy.Parting(expected, Greedy.Decode(session, ids, expected.Length));
            output.WriteLine(at < 0 ? $"{name}: the same text" : $"{name}: parts at token {at}, gap {golden.GetProperty("gap")[at].GetDouble():g3}");
            // Twice the largest rms: what the difference of two logits may move.
            if (at >= 0) Assert.InRange(golden.GetProperty("gap")[at].GetDouble(), 0, 0.9);
        }
        Assert.InRange((double)equal / positions, 0.93, 1);
    }

    private void Check(string name, Session session, int[] prompt, int[] expected, double[] gaps, double noise)
    {
        var ours = Greedy.Decode(session, prompt, expected.Length);
        var at = Greedy.Parting(expected, ours);
        if (at < 0) return;
        output.WriteLine($"{name}: parts at token {at}, gap {gaps[at]:g3}, bound {noise:g3}");
        Assert.InRange(gaps[at], 0, noise);
    }

    private static IEnumerable<string> Names() => Shared.TryPath("golden/gguf/models") is { } path
        ? Directory.GetFiles(path, "*.gguf").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal)!
        : [];

    private static IEnumerable<string> FolderNames() => Shared.TryPath("golden/peft/models") is { } path
        ? Directory.GetDirectories(path).Select(Path.GetFileName).Order(StringComparer.Ordinal)!
        : [];

    private static double[] Numbers(JsonElement json) => [.. json.EnumerateArray().Select(number => number.GetDouble())];

    private static int[] Ids(JsonElement json) => [.. json.EnumerateArray().Select(id => id.GetInt32())];
}
