using System.Text.Json;
using TinyLora.Adapters;
using TinyLora.Inference;
using Xunit;
using Xunit.Abstractions;

namespace TinyLora.Tests.Goldens;

/// <summary>Two adapters trained on SmolLM2: what they make it write, against PEFT on the same weights in float32.</summary>
public class TrainedAdapterTests(ITestOutputHelper output)
{
    private const string Folder = "golden/training/adapters";

    // Eight-bit activations move SmolLM2's logits by 0.45 rms at most, so the difference of two by no more than twice that: only choices nearer than this may differ.
    private const double Noise = 0.45;

    private const int MostTokens = 24;

    [SkippableTheory]
    [InlineData("smollm2-pirate-r16")]
    [InlineData("smollm2-wikisql-r8")]
    public void Greedy_texts_are_those_of_PEFT_until_two_choices_are_as_good(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"{Folder}/{name}/goldens.json")));
        using var model = OpenModel();
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/{name}"));
        using var session = model.CreateSession();
        var (equal, texts) = (0, 0);
        foreach (var prompt in json.RootElement.GetProperty("prompts").EnumerateArray())
        {
            var ids = Ids(prompt.GetProperty("ids"));
            // The base once: it is the same for both.
            foreach (var side in texts == 0 ? (string[])["base", "adapter"] : ["adapter"])
            {
                if (side == "adapter" && session.Adapters.Count == 0) session.Adapters.Add(adapter);
                var golden = prompt.GetProperty(side);
                var expected = Ids(golden.GetProperty("ids"));
                if (expected.Length > MostTokens) expected = expected[..MostTokens];
                var at = Greedy.Parting(expected, Greedy.Decode(session, ids, expected.Length));
                texts++;
                if (at < 0)
                {
                    equal++;
                    continue;
                }
                var gap = golden.GetProperty("top2_gap")[at].GetDouble();
                output.WriteLine($"{name} {side} {texts}: parts at token {at}, gap {gap:g3}");
                Assert.InRange(gap, 0, 2 * Noise);
            }
        }
        output.WriteLine($"{equal} of {texts} texts equal");
        Assert.Equal(6, texts);
        // Another scale or order of rows would part them all at once.
        Assert.InRange(equal, 3, 6);
    }

    [SkippableFact]
    public void The_largest_logits_after_a_prompt_are_those_of_PEFT()
    {
        var folder = $"{Folder}/smollm2-pirate-r16";
        using var prompts = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"{folder}/goldens.json")));
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"{folder}/first-logits-top64.json")));
        using var model = OpenModel();
        using var adapter = new LoraAdapter(Shared.Path(folder));
        Assert.Equal((16, 120, 1_843_200L), (adapter.Rank, adapter.Modules.Count, adapter.ParameterCount));
        using var session = model.CreateSession();
        var i = 0;
        foreach (var prompt in prompts.RootElement.GetProperty("prompts").EnumerateArray())
        {
            var ids = Ids(prompt.GetProperty("ids"));
            session.Adapters.Clear();
            session.Rewind(0);
            var plain = session.Prefill(ids).ToArray();
            session.Adapters.Add(adapter);
            session.Rewind(0);
            var adapted = session.Prefill(ids).ToArray();
            var noise = Rms(golden.RootElement.GetProperty($"base.{i}"), plain);
            var error = Rms(golden.RootElement.GetProperty($"adapter.{i}"), adapted);
            var without = Rms(golden.RootElement.GetProperty($"adapter.{i}"), plain);
            output.WriteLine($"{i}: base {noise:g3}, adapter {error:g3}, without it {without:g3}");
            // The noise scatters from prompt to prompt; an adapter left out or halved would be off by half its effect at least.
            Assert.InRange(error, 0, Math.Min(2 * Noise, without / 3));
            i++;
        }
        Assert.Equal(5, i);
    }

    private static double Rms(JsonElement golden, float[] logits)
    {
        var (ids, values) = (Ids(golden.GetProperty("ids")), golden.GetProperty("values"));
        var sum = 0.0;
        for (var k = 0; k < ids.Length; k++) sum += Math.Pow(logits[ids[k]] - values[k].GetDouble(), 2);
        return Math.Sqrt(sum / ids.Length);
    }

    private static Model OpenModel() => Model.Open(Directory.EnumerateFiles(Shared.Path("models/smollm2"), "*.gguf").First());

    private static int[] Ids(JsonElement json) => [.. json.EnumerateArray().Select(id => id.GetInt32())];
}
