using System.Text.Json;
using TinyLora.Conversation;
using TinyLora.Inference;
using TinyLora.Sampling;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Conversation;

public class LanternConversationTests
{
    [SkippableFact]
    public void Says_the_golden_texts_and_computes_only_what_is_new()
    {
        using var model = Model.Open(Shared.Path("models/lantern/hf"));
        using var golden = JsonDocument.Parse(File.ReadAllText(Shared.Path("models/lantern/golden.json")));
        var limit = golden.RootElement.GetProperty("max_new_tokens").GetInt32();
        using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy, MaximumCompletionTokens = limit };
        foreach (var entry in golden.RootElement.GetProperty("chats").EnumerateArray().Take(6))
        {
            ChatMessage[] messages = [.. entry.GetProperty("messages").EnumerateArray().Select(message => new ChatMessage(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!))];
            var hasSystem = messages[0].Role == ChatMessage.System;
            chat.SystemPrompt = hasSystem ? messages[0].Content : null;
            chat.SetHistory(messages.AsSpan(hasSystem ? 1 : 0, messages.Length - (hasSystem ? 2 : 1)));
            var result = chat.Submit(messages[^1].Content);
            var expected = entry.GetProperty("runs").GetProperty("base");
            Assert.Equal(expected.GetProperty("text").GetString(), result.Text);
            Assert.Equal(expected.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), result.GeneratedTokens);
            Assert.Equal(entry.GetProperty("prompt_ids").EnumerateArray().Select(id => id.GetInt32()), result.PromptTokens);
        }
        var next = chat.Submit("Thank you.");
        Assert.InRange(next.CachedTokenCount, next.PromptTokenCount / 2, next.PromptTokenCount - 1);
    }
}
