using System.IO.Hashing;
using System.Runtime.InteropServices;
using TinyLora.Files;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Cli;

public class LogitsCommandTests
{
    private const int VocabularySize = 2048;
    private static readonly string Lantern = CommandRun.Lantern;
    private static readonly string Tokens = string.Join(',', Enumerable.Range(3, 75));

    [Fact]
    public void TheHashIsTheSameForAllChunksThreadsAndInstructionSets()
    {
        string[] args = ["logits", "-m", Lantern, "--tokens", Tokens, "-a", $"{CommandRun.Adapter("pirate")}:0.5"];
        var hash = CommandRun.Of(args).Succeeded().Line;
        Assert.Matches("^[0-9a-f]{16}$", hash);
        foreach (var chunk in (string[])["1", "7", "64", "100000"]) Assert.Equal(hash, CommandRun.Of([.. args, "--chunk", chunk]).Succeeded().Line);
        Assert.Equal(hash, CommandRun.Of([.. args, "--threads", "3", "--instruction-set", "vector128"]).Succeeded().Line);
        Assert.NotEqual(hash, CommandRun.Of(args[..5]).Succeeded().Line);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(40)]
    public void InvocationTokensAreSoughtInTheWholePromptHoweverItIsCut(int at)
    {
        using var folder = new TemporaryFolder();
        var adapter = CommandRun.Adapter("pirate");
        foreach (var file in Directory.GetFiles(adapter, "adapter_*")) File.Copy(file, folder[Path.GetFileName(file)]);
        var config = folder["adapter_config.json"];
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"alora_invocation_tokens\": null", "\"alora_invocation_tokens\": [460, 286]", StringComparison.Ordinal));
        var tokens = Enumerable.Range(3, 60).ToArray();
        (tokens[0], tokens[1]) = (460, 286);
        var once = Run();
        // The last occurrence counts.
        (tokens[at], tokens[at + 1]) = (460, 286);
        var hash = Run();
        Assert.NotEqual(once, hash);
        foreach (var chunk in (string[])["1", "2", "16", "41"]) Assert.Equal(hash, Run("--chunk", chunk));
        Assert.NotEqual(hash, CommandRun.Of("logits", "-m", Lantern, "--tokens", string.Join(',', tokens)).Succeeded().Line);

        string Run(params string[] more) => CommandRun.Of(["logits", "-m", Lantern, "--tokens", string.Join(',', tokens), "-a", Path.GetDirectoryName(config)!, .. more]).Succeeded().Line;
    }

    [Fact]
    public void NumbersThatOverflowAreNoZeros()
    {
        using var folder = new TemporaryFolder();
        var run = CommandRun.Of("logits", "-m", Lantern, "--tokens", "1,5,9", "-a", CommandRun.Adapter("pirate") + ":1e30", "-o", folder["x"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("after token 0 (of 0 to 2) not all logits are finite", run.Error);
        Assert.Contains(float.NaN, Read(folder["x"]).Logits);
        CommandRun.Of("run", "-m", Lantern, "-p", "hi", "-n", "3", "-a", CommandRun.Adapter("pirate") + ":1e30").Refused(1, "NaN");
    }

    [Fact]
    public void TheFileHoldsTheTokensAndTheHashedLogits()
    {
        using var folder = new TemporaryFolder();
        var hash = CommandRun.Of("logits", "-m", Lantern, "--tokens", Tokens, "-o", folder["all.safetensors"]).Succeeded().Line;
        var (ids, logits, shape) = Read(folder["all.safetensors"]);
        Assert.Equal(Enumerable.Range(3, 75), ids);
        Assert.Equal([75, VocabularySize], shape);
        Assert.Equal(hash, XxHash3.HashToUInt64(MemoryMarshal.AsBytes<float>(logits)).ToString("x16"));

        var last = CommandRun.Of("logits", "-m", Lantern, "--tokens", Tokens, "-o", folder["last.safetensors"], "--last", "20", "--chunk", "7").Succeeded().Line;
        var (allIds, lastLogits, lastShape) = Read(folder["last.safetensors"]);
        Assert.Equal(ids, allIds);
        Assert.Equal([20, VocabularySize], lastShape);
        Assert.Equal(logits[^lastLogits.Length..], lastLogits);
        Assert.NotEqual(hash, last);
        Assert.Equal(["all.safetensors", "last.safetensors"], folder.Names);
    }

    [Fact]
    public void MoreRowsThanThereAreTokensAreAllRows()
    {
        var all = CommandRun.Of("logits", "-m", Lantern, "--tokens", "[5, 6, 7]").Succeeded().Line;
        Assert.Equal(all, CommandRun.Of("logits", "-m", Lantern, "--tokens", "5,6,7", "--last", "9").Succeeded().Line);
    }

    [Fact]
    public void TextGivesItsTokens()
    {
        const string text = "Hello <|im_end|>";
        var utf8 = System.Text.Encoding.UTF8.GetBytes(text);
        foreach (string[] special in (string[][])[[], ["--special"]])
        {
            var tokens = CommandRun.With(utf8, ["tokenize", "-m", Lantern, .. special]).Succeeded().Line;
            Assert.Equal(CommandRun.Of("logits", "-m", Lantern, "--tokens", tokens).Succeeded().Line, CommandRun.Of(["logits", "-m", Lantern, "-p", text, .. special]).Succeeded().Line);
        }
    }

    [SkippableFact]
    public void TokensNeedNoTokenizer()
    {
        var folder = Directory.GetDirectories(Shared.Path("golden/peft/models")).FirstOrDefault(folder => Path.GetFileName(folder).Contains("llama", StringComparison.OrdinalIgnoreCase)
            && !File.Exists(Path.Combine(folder, "tokenizer.json")));
        Skip.If(folder == null, "No fixture without a tokenizer.");
        CommandRun.Of("logits", "-m", folder!, "--tokens", "1,2,3").Succeeded();
        CommandRun.Of("logits", "-m", folder!, "-p", "x").Refused(1, "tokenizer");
    }

    [Theory]
    [InlineData("")]
    [InlineData("--tokens 1 -p x")]
    [InlineData("--tokens 1 --special")]
    [InlineData("--tokens 1,x")]
    [InlineData("--tokens 1,,2")]
    [InlineData("--tokens -1")]
    [InlineData("--tokens 1 --last 0")]
    [InlineData("--tokens 1 --chunk 0")]
    [InlineData("--tokens 1 --chunk x")]
    public void WrongUsageIsSaid(string options) =>
        CommandRun.Of(["logits", "-m", Lantern, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]).Refused(2, "'tinylora logits --help'");

    [Fact]
    public void UnusableInputIsSaidInOneLine()
    {
        CommandRun.Of("logits", "-m", Lantern, "--tokens", "1,2048").Refused(1, "2048 is outside the vocabulary");
        CommandRun.Of("logits", "-m", Lantern, "--tokens", "[]").Refused(1, "no tokens");
        CommandRun.Of("logits", "-m", Lantern, "--tokens", string.Join(',', Enumerable.Repeat(3, 513))).Refused(1, "the context of");
        CommandRun.Of("logits", "-m", Lantern, "--tokens", "1", "-o", Path.Combine(Path.GetTempPath(), "no-such-folder", "x")).Refused(1, "no-such-folder");
        CommandRun.Of("logits", "-m", Lantern, "--tokens", "1", "-o", Path.GetTempPath()).Refused(1, "folder");
    }

    [Fact]
    public void AFullDeviceIsSaidAndAFailureLeavesNoFile()
    {
        if (OperatingSystem.IsLinux()) CommandRun.Of("logits", "-m", Lantern, "--tokens", "1", "-o", "/dev/full").Refused(1, "/dev/full");
        using var folder = new TemporaryFolder();
        CommandRun.Of("manifest", folder["missing.gguf"], "-o", folder["x.model.json"]).Refused(1, "missing.gguf");
        Assert.Empty(folder.Names);
    }

    private static (int[] Ids, float[] Logits, IEnumerable<long> Shape) Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        using var file = SafetensorsFile.Open(path);
        Assert.True(file.TryGetTensor("input_ids", out var ids));
        Assert.True(file.TryGetTensor("logits", out var logits));
        Assert.Equal("I32", ids.TypeName);
        Assert.Equal("F32", logits.TypeName);
        return (MemoryMarshal.Cast<byte, int>(Data(ids)).ToArray(), MemoryMarshal.Cast<byte, float>(Data(logits)).ToArray(), logits.Shape);

        Span<byte> Data(TensorEntry tensor) => bytes.AsSpan((int)tensor.Offset, (int)tensor.ByteCount);
    }
}
