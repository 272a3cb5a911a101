using System.Text.Json;
using TinyLora.Cli;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Cli;

public class RunCommandTests
{
    private const string Question = "What is LoRA?";
    private static readonly string Lantern = CommandRun.Lantern;

    private static int[] Ids(JsonElement json, string name) => [.. json.GetProperty(name).EnumerateArray().Select(id => id.GetInt32())];

    [SkippableFact]
    public void AnswersAsTheGoldenChatDoes()
    {
        var golden = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("models/lantern/golden.json"))).RootElement;
        var chat = golden.GetProperty("chats")[0];
        var question = chat.GetProperty("messages")[0].GetProperty("content").GetString()!;
        foreach (var (run, adapters) in ((string, string[])[])[("base", []), ("pirate", ["-a", CommandRun.Adapter("pirate")])])
        {
            var expected = chat.GetProperty("runs").GetProperty(run);
            var json = CommandRun.Of(["run", "-m", Lantern, "-p", question, "--greedy", "--json", "-n", "96", .. adapters]).Succeeded().Json;
            Assert.Equal(Ids(chat, "prompt_ids"), Ids(json, "prompt_ids"));
            Assert.Equal(Ids(expected, "ids"), Ids(json, "token_ids"));
            Assert.Equal(expected.GetProperty("text").GetString(), json.GetProperty("text").GetString());
            Assert.Equal("end_of_generation", json.GetProperty("stop_reason").GetString());
            Assert.True(json.GetProperty("tokens_per_second").GetDouble() > 0);
        }
    }

    [Fact]
    public void StreamsTheSameTextThatJsonHolds()
    {
        string[] args = ["run", "-m", Lantern, "-p", Question, "--greedy", "-n", "30"];
        var text = CommandRun.Of([.. args, "--json"]).Succeeded().Json.GetProperty("text").GetString();
        Assert.Equal(text + "\n", CommandRun.Of(args).Succeeded().Text);
        Assert.False(string.IsNullOrWhiteSpace(text));
    }

    [Fact]
    public void ASeedReplaysAnAnswerWithAnyThreadsAndInstructionSet()
    {
        string[] args = ["run", "-m", Lantern, "-p", Question, "-n", "24", "--temperature", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--repetition-penalty", "1.1"];
        var once = CommandRun.Of([.. args, "--seed", "7", "--threads", "1"]).Succeeded().Text;
        Assert.Equal(once, CommandRun.Of([.. args, "--seed", "7", "--threads", "2", "--instruction-set", "scalar"]).Succeeded().Text);
        Assert.NotEqual(once, CommandRun.Of([.. args, "--seed", "8"]).Succeeded().Text);
    }

    [Fact]
    public void ScaleZeroIsTheBaseAndSeveralAdaptersGoOnTogether()
    {
        string[] args = ["run", "-m", Lantern, "-p", Question, "--greedy", "-n", "24"];
        var plain = CommandRun.Of(args).Succeeded().Text;
        var pirate = CommandRun.Adapter("pirate");
        Assert.Equal(plain, CommandRun.Of([.. args, "-a", $"{pirate}:0"]).Succeeded().Text);
        var one = CommandRun.Of([.. args, "-a", pirate]).Succeeded().Text;
        Assert.NotEqual(plain, one);
        Assert.NotEqual(one, CommandRun.Of([.. args, "-a", pirate, "-a", $"{CommandRun.Adapter("bard")}:1.5"]).Succeeded().Text);
        var json = CommandRun.Of([.. args, "-a", pirate, "-a", $"{CommandRun.Adapter("bard")}:1.5", "-a", $"{CommandRun.Adapter("grumpy")}:0", "--json"]).Succeeded().Json;
        Assert.Equal($$"""[{"name":"pirate","path":"{{pirate}}","scale":1},{"name":"bard","path":"{{CommandRun.Adapter("bard")}}","scale":1.5}]""", json.GetProperty("adapters").GetRawText());
    }

    [Fact]
    public void TheSystemPromptIsInThePrompt()
    {
        string[] args = ["run", "-m", Lantern, "-p", Question, "-n", "0", "--json"];
        var json = CommandRun.Of([.. args, "--system", "Be brief."]).Succeeded().Json;
        Assert.True(Ids(json, "prompt_ids").Length > Ids(CommandRun.Of(args).Json, "prompt_ids").Length);
        Assert.Empty(Ids(json, "token_ids"));
    }

    [Fact]
    public void RawTextKnowsSpecialTokensAndATemplateHidesThoseOfThePrompt()
    {
        string[] args = ["run", "-m", Lantern, "-p", "<|im_end|>", "-n", "0", "--json"];
        Assert.Equal([2], Ids(CommandRun.Of([.. args, "--raw"]).Succeeded().Json, "prompt_ids"));
        // One that ends the prompt's turn, and it is the template's.
        Assert.Equal(1, Ids(CommandRun.Of(args).Succeeded().Json, "prompt_ids").Count(id => id == 2));
    }

    [Theory]
    [InlineData("@file")]
    [InlineData("--greedy")]
    [InlineData("-n")]
    [InlineData("--")]
    [InlineData("-nope")]
    [InlineData("a=b:c")]
    [InlineData("\"quoted\"")]
    [InlineData("[suggest]")]
    [InlineData("/?")]
    [InlineData("grüße\n😀")]
    public void APromptIsTakenAsItStands(string prompt)
    {
        var expected = CommandRun.With(System.Text.Encoding.UTF8.GetBytes(prompt), "tokenize", "-m", Lantern).Succeeded().Line;
        foreach (string[] form in (string[][])[["-p", prompt], [$"-p={prompt}"], ["--prompt", prompt]])
        {
            var json = CommandRun.Of(["run", "-m", Lantern, .. form, "--raw", "-n", "0", "--json"]).Succeeded().Json;
            Assert.Equal(expected, json.GetProperty("prompt_ids").GetRawText());
        }
    }

    [Fact]
    public void AnInterruptEndsTheAnswerWithTheTextSoFar()
    {
        using var output = new InterruptingStream();
        using var error = new MemoryStream();
        using var terminal = new Terminal(() => Stream.Null, output, error);
        output.Written += () => terminal.Interrupt();
        var code = Application.Run(["run", "-m", Lantern, "-p", Question, "--greedy"], terminal);
        Assert.Equal(130, code);
        var whole = CommandRun.Of("run", "-m", Lantern, "-p", Question, "--greedy").Text;
        var text = System.Text.Encoding.UTF8.GetString(output.ToArray()).TrimEnd('\n');
        Assert.StartsWith(text, whole);
        Assert.InRange(text.Length, 1, whole.Length / 2);
        // Who tells it twice at once means one end; later there is nothing to end.
        Thread.Sleep(400);
        Assert.False(terminal.Interrupt());
    }

    [SkippableFact]
    public void AModelWithoutAChatTemplateGoesOnWithRawText()
    {
        string[] args = ["run", "-m", Shared.Path("models/stories260k/stories260K-f32.gguf"), "-p", "Once upon a time", "--greedy", "-n", "8"];
        CommandRun.Of(args).Refused(1, "--raw");
        var json = CommandRun.Of([.. args, "--raw", "--json"]).Succeeded().Json;
        Assert.Equal(1, Ids(json, "prompt_ids")[0]);
        Assert.Equal(8, Ids(json, "token_ids").Length);
        Assert.Equal("max_tokens", json.GetProperty("stop_reason").GetString());
    }

    [Fact]
    public void APromptThatIsTooLongIsRefused() =>
        CommandRun.Of("run", "-m", Lantern, "-p", string.Join(' ', Enumerable.Repeat("lantern", 600))).Refused(1, "the context of");

    [Theory]
    [InlineData("--greedy --temperature 1")]
    [InlineData("--greedy --seed 1")]
    [InlineData("--raw --system x")]
    [InlineData("-n -1")]
    [InlineData("-n 1.5")]
    [InlineData("-n 99999999999")]
    [InlineData("-n 1 -n 2")]
    [InlineData("--temperature hot")]
    [InlineData("--temperature -1")]
    [InlineData("--temperature NaN")]
    [InlineData("--temperature 0,5")]
    [InlineData("--top-k -1")]
    [InlineData("--top-p 0")]
    [InlineData("--min-p 2")]
    [InlineData("--repetition-penalty 0")]
    [InlineData("--seed -1")]
    [InlineData("--threads 0")]
    [InlineData("--threads 100000")]
    [InlineData("--unknown")]
    [InlineData("--unknown 1")]
    [InlineData("extra")]
    [InlineData("-x")]
    [InlineData("--json=1")]
    [InlineData("-a")]
    [InlineData("-a adapter:1e99")]
    public void WrongUsageIsSaid(string options) => CommandRun.Of(["run", "-m", Lantern, "-p", "x", .. options.Split(' ')]).Refused(2, "'tinylora run --help'");

    [Fact]
    public void WhatIsRequiredIsNamed()
    {
        CommandRun.Of("run", "-p", "x").Refused(2, "--model");
        CommandRun.Of("run", "-m", Lantern).Refused(2, "--prompt");
        CommandRun.Of("run", "-m").Refused(2, "-m");
    }

    [Fact]
    public void UnusableInputIsSaidInOneLine()
    {
        CommandRun.Of("run", "-m", "no\nsuch file", "-p", "x").Refused(1, "no such");
        CommandRun.Of("run", "-m", Lantern, "-p", "x", "-a", "no-such-adapter:0.5").Refused(1, "no-such-adapter");
        CommandRun.Of("run", "-m", Lantern, "-p", "x", "-a", Lantern).Refused(1, "general.type");
        CommandRun.Of("run", "-m", Lantern, "-p", "x", "--instruction-set", "mmx").Refused(1, "mmx");
        CommandRun.Of("run", "-m", Lantern, "-p", "", "--raw").Refused(1, "no tokens");
        var foreign = OperatingSystem.IsLinux() && System.Runtime.Intrinsics.X86.Sse2.IsSupported ? "neon" : "avx512";
        CommandRun.Of("run", "-m", Lantern, "-p", "x", "--instruction-set", foreign).Refused(1, foreign);
    }

    private sealed class InterruptingStream : MemoryStream
    {
        public event Action? Written;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            base.Write(buffer);
            Written?.Invoke();
        }
    }
}
