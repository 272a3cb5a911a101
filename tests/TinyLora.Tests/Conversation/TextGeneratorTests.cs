using TinyLora.Conversation;
using TinyLora.Sampling;
using Xunit;

namespace TinyLora.Tests.Conversation;

public class TextGeneratorTests
{
    [Fact]
    public void A_token_allocates_nothing()
    {
        var prompt = ByteTokens.Text("Tell me a story.");
        var generator = new TextGenerator(new ScriptedSource(2048, Enumerable.Repeat((int)'a', 4000).ToArray()), new ByteTokens());
        var sampler = new Sampler(ByteTokens.Count, new SamplingOptions { RepetitionPenalty = 1.1f, Seed = 1 });
        var stops = new StopSequenceMatcher(["aaab", "never"], 8);
        var bytes = 0;
        generator.Utf8Handler = utf8 => bytes += utf8.Length;
        generator.Run(prompt, 10, sampler, stops, CancellationToken.None);
        bytes = 0;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var reason = generator.Run(prompt, 1000, sampler, stops, CancellationToken.None);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(StopReason.MaxTokenLimitReached, reason);
        Assert.Equal(1000, generator.Generated.Length);
        Assert.Equal(generator.Text.Length, bytes);
    }
}
