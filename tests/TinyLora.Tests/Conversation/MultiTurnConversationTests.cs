using System.Text;
using TinyLora.Conversation;
using TinyLora.Sampling;
using Xunit;

namespace TinyLora.Tests.Conversation;

public class MultiTurnConversationTests
{
    private static readonly ChatTemplate s_template = ChatTemplate.Parse(
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}", "", "");

    [Fact]
    public void Answers_and_keeps_the_history()
    {
        var chat = Talk(out _, "Hello!", "Again.");
        var first = chat.Submit("Hi");
        Assert.Equal("Hello!", first.Text);
        Assert.Equal(StopReason.EndOfGeneration, first.StopReason);
        Assert.Equal([.. ByteTokens.Text("Hello!"), ByteTokens.End], first.GeneratedTokens);
        Assert.Equal("Again.", chat.Submit("More").Text);
        Assert.Equal([new("user", "Hi"), new("assistant", "Hello!"), new("user", "More"), new("assistant", "Again.")], chat.History);
    }

    [Fact]
    public void Special_tokens_in_a_message_are_plain_text()
    {
        var result = Talk(out _, "x").Submit("<|im_end|>");
        int[] expected =
        [
            ByteTokens.Start, .. ByteTokens.Text("user\n<|im_end|>"), ByteTokens.End, .. ByteTokens.Text("\n"), ByteTokens.Start, .. ByteTokens.Text("assistant\n"),
        ];
        Assert.Equal(expected, result.PromptTokens);
    }

    [Fact]
    public void Computes_only_what_is_new()
    {
        var chat = Talk(out var source, "Hello!", "Again.");
        var first = chat.Submit("Hi");
        Assert.Equal(0, first.CachedTokenCount);
        var second = chat.Submit("More");
        // The prompt and all of the answer but its end, which was never decoded.
        Assert.Equal(first.PromptTokenCount + "Hello!".Length, second.CachedTokenCount);
        Assert.Equal(second.PromptTokenCount - second.CachedTokenCount, source.Prefills[1]);
        Assert.Equal(second.PromptTokens, source.Tokens[..second.PromptTokenCount].ToArray());
    }

    [Fact]
    public void Computes_at_least_one_token()
    {
        var chat = Talk(out var source, "a", "b");
        chat.Submit("Hi");
        chat.ClearHistory();
        var again = chat.Submit("Hi");
        Assert.Equal("b", again.Text);
        Assert.Equal(again.PromptTokenCount - 1, again.CachedTokenCount);
        Assert.Equal(1, source.Prefills[1]);
    }

    [Fact]
    public void Another_system_prompt_is_computed_anew()
    {
        var chat = Talk(out var source, "a", "b");
        chat.SystemPrompt = "Be brief.";
        chat.Submit("Hi");
        chat.SystemPrompt = "Be long.";
        var second = chat.Submit("More");
        Assert.Equal(1 + "system\nBe ".Length, second.CachedTokenCount);
        Assert.Equal(second.PromptTokens, source.Tokens[..second.PromptTokenCount].ToArray());
        Assert.DoesNotContain(chat.History, message => message.Role == "system");
    }

    [Fact]
    public void Regenerates_the_last_answer()
    {
        var chat = Talk(out _, "first", "second", "third");
        chat.Submit("Hi");
        var again = chat.Regenerate();
        Assert.Equal("second", again.Text);
        Assert.Equal(again.PromptTokenCount - 1, again.CachedTokenCount);
        Assert.Equal([new("user", "Hi"), new("assistant", "second")], chat.History);
        chat.SetHistory([new("user", "Saved")]);
        Assert.Equal("third", chat.Regenerate().Text);
        Assert.Equal([new("user", "Saved"), new("assistant", "third")], chat.History);
    }

    [Fact]
    public void Nothing_to_regenerate_is_refused()
    {
        var chat = Talk(out _, "x");
        Assert.Throws<InvalidOperationException>(() => chat.Regenerate());
        Assert.Equal("x", chat.Submit("Hi").Text);
    }

    [Fact]
    public void Streams_whole_characters_both_ways()
    {
        var chat = Talk(out _, "Grüße 日本 🙂");
        var pieces = new List<string>();
        var bytes = new List<byte>();
        chat.TextGenerated += pieces.Add;
        chat.Utf8Generated += utf8 =>
        {
            Assert.True(System.Text.Unicode.Utf8.IsValid(utf8));
            bytes.AddRange(utf8);
        };
        Assert.Equal("Grüße 日本 🙂", chat.Submit("Hi").Text);
        Assert.Equal(["G", "r", "ü", "ß", "e", " ", "日", "本", " ", "🙂"], pieces);
        Assert.Equal("Grüße 日本 🙂", Encoding.UTF8.GetString([.. bytes]));
    }

    [Fact]
    public void A_character_that_stays_unfinished_becomes_the_replacement_character()
    {
        var chat = new MultiTurnConversation(new ScriptedSource(200, [0x61, 0xC3]), new ByteTokens(), s_template) { SamplingOptions = SamplingOptions.Greedy };
        Assert.Equal("a\uFFFD", chat.Submit("Hi").Text);
    }

    [Fact]
    public void Stops_at_a_stop_sequence_over_the_borders_of_tokens()
    {
        var chat = Talk(out _, "Yes.\nUser: no", "A.\nUs");
        var pieces = new StringBuilder();
        chat.TextGenerated += piece => pieces.Append(piece);
        chat.StopSequences.Add("\nUser:");
        var result = chat.Submit("Hi");
        Assert.Equal((StopReason.StopSequenceDetected, "Yes."), (result.StopReason, result.Text));
        Assert.Equal("Yes.", pieces.ToString());
        // The beginning of a stop sequence that is not completed belongs to the text.
        pieces.Clear();
        Assert.Equal("A.\nUs", chat.Submit("More").Text);
        Assert.Equal("A.\nUs", pieces.ToString());
    }

    [Fact]
    public void An_empty_stop_sequence_is_refused()
    {
        var chat = Talk(out _, "x");
        chat.StopSequences.Add("");
        Assert.Throws<InvalidOperationException>(() => chat.Submit("Hi"));
        Assert.Empty(chat.History);
    }

    [Fact]
    public void Stops_at_the_most_tokens()
    {
        var chat = Talk(out _, "abcdef");
        chat.MaximumCompletionTokens = 3;
        var result = chat.Submit("Hi");
        Assert.Equal((StopReason.MaxTokenLimitReached, "abc", 3), (result.StopReason, result.Text, result.GeneratedTokenCount));
        Assert.Throws<ArgumentOutOfRangeException>(() => chat.MaximumCompletionTokens = 0);
    }

    [Fact]
    public void A_full_context_ends_the_answer()
    {
        var prompt = Talk(out _, "x").Submit("Hi").PromptTokenCount;
        var chat = Talk(prompt + 2, "abcdef");
        var result = chat.Submit("Hi");
        Assert.Equal((StopReason.ContextSizeLimitExceeded, "abc"), (result.StopReason, result.Text));
        Assert.Equal(2, chat.History.Count);
    }

    [Fact]
    public void A_prompt_that_does_not_fit_leaves_the_history_as_it_was()
    {
        var chat = Talk(120, "Fine.", "never");
        chat.Submit("Hi");
        var result = chat.Submit(new string('x', 200));
        Assert.Equal((StopReason.ContextSizeLimitExceeded, "", 0), (result.StopReason, result.Text, result.GeneratedTokenCount));
        Assert.Equal([new("user", "Hi"), new("assistant", "Fine.")], chat.History);
        Assert.Equal(StopReason.EndOfGeneration, chat.Submit("Short").StopReason);
    }

    [Fact]
    public void A_cancelled_answer_keeps_what_came()
    {
        using var cancellation = new CancellationTokenSource();
        var chat = Talk(out _, "abcdef");
        chat.TextGenerated += piece =>
        {
            if (piece == "c") cancellation.Cancel();
        };
        var result = chat.Submit("Hi", cancellation.Token);
        Assert.Equal((StopReason.CancellationRequested, "abc"), (result.StopReason, result.Text));
        Assert.Equal(new("assistant", "abc"), chat.History[^1]);
    }

    [Fact]
    public async Task Cancelled_before_it_began_it_is_a_result_and_no_exception()
    {
        var chat = Talk(out var source, "abc");
        var result = await chat.SubmitAsync("Hi", new CancellationToken(canceled: true));
        Assert.Equal((StopReason.CancellationRequested, ""), (result.StopReason, result.Text));
        Assert.Empty(chat.History);
        Assert.Empty(source.Prefills);
    }

    [Fact]
    public void A_long_prompt_can_be_cancelled_between_its_chunks()
    {
        using var cancellation = new CancellationTokenSource();
        var source = new ScriptedSource(4000, [0x61]);
        source.Step = () =>
        {
            if (source.Prefills.Count == 1) cancellation.Cancel();
        };
        var chat = new MultiTurnConversation(source, new ByteTokens(), s_template);
        var result = chat.Submit(new string('x', 3000), cancellation.Token);
        Assert.Equal(StopReason.CancellationRequested, result.StopReason);
        Assert.Equal(2, source.Prefills.Count);
        Assert.Empty(chat.History);
        // What was computed is used by the next call.
        source.Step = null;
        Assert.Equal(source.Tokens.Length, chat.Submit(new string('x', 3000)).CachedTokenCount);
    }

    [Fact]
    public async Task Async_answers_the_same()
    {
        var chat = Talk(out _, "Hello!", "Other");
        Assert.Equal("Hello!", (await chat.SubmitAsync("Hi")).Text);
        Assert.Equal("Other", (await chat.RegenerateAsync()).Text);
    }

    [Fact]
    public void A_call_within_a_call_is_refused_and_does_no_harm()
    {
        var chat = Talk(out _, "abc");
        chat.TextGenerated += _ => Assert.Throws<InvalidOperationException>(() => chat.Submit("again"));
        Assert.Equal("abc", chat.Submit("Hi").Text);
        Assert.Equal(2, chat.History.Count);
    }

    [Fact]
    public void An_exception_in_a_callback_leaves_the_history_as_it_was()
    {
        var chat = Talk(out _, "abc", "def");
        Action<string> thrower = _ => throw new TimeoutException();
        chat.TextGenerated += thrower;
        Assert.Throws<TimeoutException>(() => chat.Submit("Hi"));
        Assert.Empty(chat.History);
        chat.TextGenerated -= thrower;
        Assert.Equal("def", chat.Submit("Hi").Text);
    }

    [Fact]
    public void Roles_that_the_template_refuses_are_the_callers_mistake()
    {
        var template = ChatTemplate.Parse(
            "{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('No system here!') }}{% endif %}[INST]{{ message.content }}[/INST]{% endfor %}", "", "");
        var chat = new MultiTurnConversation(new ScriptedSource(200, [0x61]), new ByteTokens(), template) { SystemPrompt = "Obey." };
        Assert.Equal("No system here!", Assert.Throws<ArgumentException>(() => chat.Submit("Hi")).Message);
        chat.SystemPrompt = null;
        Assert.Equal("a", chat.Submit("Hi").Text);
    }

    [Fact]
    public void A_seed_replays_a_conversation()
    {
        var options = new SamplingOptions { Temperature = 40f, TopK = 0, TopP = 1f, MinP = 0f, Seed = 5 };
        var chat = new MultiTurnConversation(new ScriptedSource(2000, [0x61]), new ByteTokens(), s_template) { SamplingOptions = options, MaximumCompletionTokens = 20 };
        var first = chat.Submit("Hi").GeneratedTokens;
        Assert.NotEqual(first, chat.Regenerate().GeneratedTokens);
        chat.ClearHistory();
        Assert.Equal(first, chat.Submit("Hi").GeneratedTokens);
        chat.ClearHistory();
        chat.SamplingOptions = options with { Seed = 6 };
        Assert.NotEqual(first, chat.Submit("Hi").GeneratedTokens);
    }

    [Fact]
    public void Disposed_it_refuses()
    {
        var chat = Talk(out _, "x");
        chat.Dispose();
        Assert.Throws<ObjectDisposedException>(() => chat.Submit("Hi"));
    }

    [Fact]
    public void Rates_and_durations_belong_together()
    {
        var result = Talk(out _, "abcdef").Submit("Hi");
        Assert.Equal(result.Duration, result.PromptDuration + result.GenerationDuration);
        Assert.Equal(result.GeneratedTokenCount, result.TokenGenerationRate * result.GenerationDuration.TotalSeconds, 3);
        Assert.Equal(result.PromptTokenCount, result.PromptProcessingRate * result.PromptDuration.TotalSeconds, 3);
        Assert.Equal(0.0, (result with { GenerationDuration = TimeSpan.Zero }).TokenGenerationRate);
    }

    private static MultiTurnConversation Talk(out ScriptedSource source, params string[] lines)
    {
        source = new ScriptedSource(400, Array.ConvertAll(lines, ByteTokens.Text));
        return new MultiTurnConversation(source, new ByteTokens(), s_template) { SamplingOptions = SamplingOptions.Greedy };
    }

    private static MultiTurnConversation Talk(int contextLength, params string[] lines) =>
        new(new ScriptedSource(contextLength, Array.ConvertAll(lines, ByteTokens.Text)), new ByteTokens(), s_template) { SamplingOptions = SamplingOptions.Greedy };
}
