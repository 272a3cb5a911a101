using System.Text;
using System.Text.Json;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Cli;

/// <summary>tokenize, detokenize, template.</summary>
public class TextCommandTests
{
    private static readonly string Lantern = CommandRun.Lantern;

    [Fact]
    public void TextComesBackFromItsTokens()
    {
        const string text = "Mara said: \"grüße, 😀\"\r\n\ttwo  spaces \n";
        using var folder = new TemporaryFolder();
        var ids = CommandRun.Of("tokenize", "-m", Lantern, folder.Write("text", text)).Succeeded().Line;
        Assert.Equal(ids, CommandRun.With(Encoding.UTF8.GetBytes(text), "tokenize", "-m", Lantern).Succeeded().Line);
        Assert.Equal(text, CommandRun.Of("detokenize", "-m", Lantern, ids).Succeeded().Text);
        Assert.Equal(text, CommandRun.Of("detokenize", "-m", Lantern, ids[1..^1]).Succeeded().Text);
    }

    [Fact]
    public void SpecialTokensAreRecognisedOnlyWhereAsked()
    {
        var text = "<|im_end|>"u8;
        Assert.Equal("[2]", CommandRun.With(text, "tokenize", "-m", Lantern, "--special").Succeeded().Line);
        Assert.NotEqual("[2]", CommandRun.With(text, "tokenize", "-m", Lantern).Succeeded().Line);
        Assert.Equal("", CommandRun.Of("detokenize", "-m", Lantern, "2").Succeeded().Text);
        Assert.Equal("<|im_end|>", CommandRun.Of("detokenize", "-m", Lantern, "2", "--special").Succeeded().Text);
        Assert.Equal("[]", CommandRun.With([], "tokenize", "-m", Lantern).Succeeded().Line);
    }

    [SkippableTheory]
    [InlineData("tokenizers/ggml-vocab-llama-spm.gguf", "1,15043", "15043")]
    [InlineData("models/tinystories-656k/tokenizer.json", null, null)]
    [InlineData("models/tinystories-656k", null, null)]
    [InlineData("models/tinystories-656k/config.json", null, null)]
    public void AVocabularyIsEnough(string model, string? with, string? without)
    {
        var path = Shared.Path(model);
        var begun = CommandRun.With("Hello"u8, "tokenize", "-m", path).Succeeded().Line;
        var bare = CommandRun.With("Hello"u8, "tokenize", "-m", path, "--no-bos").Succeeded().Line;
        Assert.Equal($"[{with ?? $"1,{bare[1..^1]}"}]", begun);
        if (without != null) Assert.Equal($"[{without}]", bare);
        Assert.Equal("Hello", CommandRun.Of("detokenize", "-m", path, begun).Succeeded().Text);
    }

    [Fact]
    public void InvalidBytesAreTokenizedAsTheyAre()
    {
        using var folder = new TemporaryFolder();
        var ids = CommandRun.Of("tokenize", "-m", Lantern, folder.Write("bytes", [0xFF, 0xC3, 0x00, 0x41])).Succeeded().Line;
        Assert.True(ids.Count(character => character == ',') >= 3);
        Assert.Equal("\uFFFD\uFFFD\0A", CommandRun.Of("detokenize", "-m", Lantern, ids).Succeeded().Text);
    }

    [Fact]
    public void AFileMayBeNamedLikeAnOption()
    {
        CommandRun.Of("tokenize", "-m", Lantern, "--", "--special").Refused(1, "--special");
        CommandRun.Of("tokenize", "-m", Lantern, "--specials").Refused(2, "--specials");
        CommandRun.Of("tokenize", "-m", Lantern, "--greedy").Refused(2, "--greedy");
        CommandRun.Of("tokenize", "-m", Lantern, "-x").Refused(2, "-x");
    }

    [Fact]
    public void UnreadableInputIsSaidInOneLine()
    {
        CommandRun.Of("tokenize", "-m", Lantern, "no-such-file").Refused(1, "no-such-file");
        CommandRun.Of("tokenize", "-m", Lantern, Path.GetTempPath()).Refused(1, "");
        CommandRun.With(() => throw new IOException("closed"), new MemoryStream(), ["tokenize", "-m", Lantern]).Refused(1, "standard input");
        CommandRun.Of("detokenize", "-m", Lantern, "2048").Refused(1, "2048");
        CommandRun.Of("detokenize", "-m", Lantern, "1,-2").Refused(2, "-2");
        CommandRun.Of("detokenize", "-m", Lantern).Refused(2, "TOKENS");
        CommandRun.Of("detokenize", "-m", Lantern, "1", "2").Refused(2, "2");
    }

    [Fact]
    public void OutputThatCannotBeWrittenIsSaidInOneLine() =>
        CommandRun.With(() => Stream.Null, new FullStream(), ["detokenize", "-m", Lantern, "743"]).Refused(1, "full");

    [Fact]
    public void ATemplateIsRenderedByteForByte()
    {
        using var folder = new TemporaryFolder();
        const string messages = """[{"role":"system","content":"Be kind."},{"role":"user","content":"Hé\nyou"}]""";
        const string rendered = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHé\nyou<|im_end|>\n";
        var prompt = rendered + "<|im_start|>assistant\n";
        Assert.Equal(prompt, CommandRun.Of("template", "-m", Lantern, folder.Write("array", messages)).Succeeded().Text);
        Assert.Equal(prompt, CommandRun.Of("template", "-m", Lantern, folder.Write("object", $$"""{"messages":{{messages}}}""")).Succeeded().Text);
        Assert.Equal(rendered, CommandRun.Of("template", "-m", Lantern, folder.Write("bare", $$"""{"messages":{{messages}},"add_generation_prompt":false}""")).Succeeded().Text);
    }

    [SkippableFact]
    public void EveryGoldenPromptIsRendered()
    {
        var golden = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("models/lantern/golden.json"))).RootElement;
        using var folder = new TemporaryFolder();
        foreach (var chat in golden.GetProperty("chats").EnumerateArray())
        {
            var file = folder.Write("messages.json", chat.GetProperty("messages").GetRawText());
            Assert.Equal(chat.GetProperty("prompt").GetString(), CommandRun.Of("template", "-m", Lantern, file).Succeeded().Text);
        }
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("[", "JSON")]
    [InlineData("[]", "at least one message")]
    [InlineData("{}", "messages")]
    [InlineData("1", "messages")]
    [InlineData("[1]", "message 0")]
    [InlineData("""[{"role":"user"}]""", "content")]
    [InlineData("""[{"role":"user","content":1}]""", "content")]
    [InlineData("""[{"role":"user","content":"\ud800"}]""", "messages")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}],"tools":[{}]}""", "tools")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}],"add_generation_prompt":1}""", "add_generation_prompt")]
    public void BadMessagesAreRefused(string json, string because)
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of("template", "-m", Lantern, folder.Write("messages.json", json)).Refused(1, because);
    }

    private sealed class FullStream : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("The device is full.");

        public override void Write(byte[] buffer, int offset, int count) => throw new IOException("The device is full.");
    }
}
