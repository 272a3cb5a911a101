using System.Text.Json;
using TinyLora.Adapters;
using TinyLora.Conversation;
using TinyLora.Inference;
using TinyLora.Sampling;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Repository;

/// <summary>How often lantern with its adapter for commands writes exactly the expected action.</summary>
public class CommandsTests
{
    private static readonly string Lantern = Path.Combine(Shared.Repository, "samples", "lantern");

    [Fact]
    public void The_quantised_model_of_the_repository_is_no_worse_than_its_card() => Assert.InRange(Right(Path.Combine(Lantern, "lantern-3m-Q8_0.gguf")), 291, 300);

    [SkippableFact]
    public void The_unquantised_model_is_as_good_as_its_card() => Assert.Equal(291, Right(Shared.Path("models/lantern/hf")));

    private static int Right(string path)
    {
        using var model = Model.Open(path, new ModelOptions { ThreadCount = 1 });
        model.ApplyLoraAdapter(new LoraAdapter(Path.Combine(Lantern, "adapters", "commands")));
        using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy, MaximumCompletionTokens = 64 };
        var right = 0;
        foreach (var line in File.ReadLines(Path.Combine(Lantern, "data", "commands.test.jsonl")))
        {
            using var example = JsonDocument.Parse(line);
            var messages = example.RootElement.GetProperty("messages");
            chat.ClearHistory();
            if (chat.Submit(messages[0].GetProperty("content").GetString()!).Text == messages[1].GetProperty("content").GetString()) right++;
        }
        return right;
    }
}
