using System.Text.Json;
using TinyLora.Inference;
using TinyLora.Tests.Laws;
using Xunit.Abstractions;

namespace TinyLora.Tests.Goldens;

/// <summary>lantern's 20 golden chats in 7 settings.</summary>
public class LanternChatTests(ITestOutputHelper output)
{
    private const int StopToken = 2;

    [SkippableFact]
    public void Folder_says_every_golden_text() => Assert.Equal(140, EqualTexts(Shared.Path("models/lantern/hf")));

    // llama.cpp says 129 of them on this file: eight-bit activations move near ties.
    [SkippableFact]
    public void Q8_0_says_the_golden_text_as_often_as_llama_cpp() => Assert.InRange(EqualTexts(LanternFiles.Q8_0), 129, 140);

    private int EqualTexts(string path)
    {
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("models/lantern/golden.json")));
        var count = golden.RootElement.GetProperty("max_new_tokens").GetInt32();
        using var model = Model.Open(path);
        using var session = model.CreateSession();
        var adapters = Array.ConvertAll(["pirate", "bard", "commands", "grumpy"], LanternFiles.Adapter);
        var (equal, all) = (0, 0);
        foreach (var chat in golden.RootElement.GetProperty("chats").EnumerateArray())
        {
            var prompt = Ids(chat.GetProperty("prompt_ids"));
            foreach (var run in chat.GetProperty("runs").EnumerateObject())
            {
                session.Adapters.Clear();
                foreach (var part in run.Name.Split('+'))
                {
                    if (part == "base") continue;
                    var name = part.Split('@');
                    var adapter = adapters.Single(a => a.Name == name[0]);
                    adapter.Scale = name.Length == 1 ? 1 : float.Parse(name[1], System.Globalization.CultureInfo.InvariantCulture);
                    session.Adapters.Add(adapter);
                }
                var ours = Greedy.Decode(session, prompt, count, StopToken);
                var at = Greedy.Parting(Ids(run.Value.GetProperty("ids")), ours);
                all++;
                if (at < 0) equal++;
                else output.WriteLine($"chat \"{chat.GetProperty("prompt").GetString()!.ReplaceLineEndings(" ")}\" {run.Name}: parts at token {at}, golden gap {run.Value.GetProperty("gaps")[Math.Min(at, run.Value.GetProperty("gaps").GetArrayLength() - 1)].GetDouble()}");
            }
        }
        output.WriteLine($"{equal} of {all}");
        Assert.Equal(140, all);
        session.Dispose();
        foreach (var adapter in adapters) adapter.Dispose();
        return equal;
    }

    private static int[] Ids(JsonElement json) => [.. json.EnumerateArray().Select(id => id.GetInt32())];
}
