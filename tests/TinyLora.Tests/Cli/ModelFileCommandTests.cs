using System.Text.Json;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Cli;

/// <summary>inspect, manifest, bench, adapter convert, and the program as a whole.</summary>
public class ModelFileCommandTests
{
    private static readonly string Lantern = CommandRun.Lantern;

    [Fact]
    public void InspectShowsAModel()
    {
        var json = CommandRun.Of("inspect", Lantern, "--json").Succeeded().Json;
        Assert.Equal("model", json.GetProperty("kind").GetString());
        Assert.Equal("llama", json.GetProperty("architecture").GetString());
        Assert.Equal(5, json.GetProperty("sizes").GetProperty("layers").GetInt32());
        Assert.Equal(36, json.GetProperty("weights").GetProperty("tensors_by_type").GetProperty("Q8_0").GetInt32());
        Assert.Equal(2048, json.GetProperty("tokenizer").GetProperty("size").GetInt32());
        Assert.Equal("ChatML", json.GetProperty("template").GetString());
        var text = CommandRun.Of("inspect", Lantern).Succeeded().Text;
        Assert.Contains("Q8_0", text);
        Assert.Contains("ChatML", text);
    }

    [Fact]
    public void InspectShowsAnAdapterAndWhetherItFits()
    {
        var pirate = CommandRun.Adapter("pirate");
        var json = CommandRun.Of("inspect", pirate, "--json", "-m", Lantern).Succeeded().Json;
        Assert.Equal("adapter", json.GetProperty("kind").GetString());
        Assert.Equal(8, json.GetProperty("rank").GetInt32());
        Assert.Equal(2, json.GetProperty("scaling").GetDouble());
        Assert.Equal(7, json.GetProperty("targets").GetArrayLength());
        Assert.Equal(35, json.GetProperty("modules").GetArrayLength());
        Assert.True(json.GetProperty("fits").GetBoolean());
        Assert.Contains("down_proj", CommandRun.Of("inspect", pirate).Succeeded().Text);
        CommandRun.Of("inspect", Lantern, "-m", Lantern).Refused(1, "expected an adapter");
    }

    [SkippableTheory]
    [InlineData("adapters/llama-3.2-1b-r8-qv", 32, "")]
    [InlineData("adapters/qwen2.5-0.5b-r8-qv", 48, "")]
    [InlineData("adapters/qwen2.5-0.5b-mlx-lm-r8", 8, "")]
    [InlineData("adapters/bert-modules-to-save", 0, "base_model.model.")]
    [InlineData("adapters/gpt2-fan-in-fan-out", 0, "base_model.model.")]
    public void RealAdaptersAreShownOrRefusedByName(string name, int modules, string refusal)
    {
        var run = CommandRun.Of("inspect", Shared.Path(name), "--json");
        if (modules == 0)
        {
            run.Refused(1, refusal);
            return;
        }
        Assert.Equal(modules, run.Succeeded().Json.GetProperty("modules").GetArrayLength());
        Assert.False(run.Json.GetProperty("dora").GetBoolean());
        CommandRun.Of("inspect", Shared.Path(name), "-m", Lantern).Refused(1, "expected");
    }

    [SkippableFact]
    public void WhatAnAdapterDoesBesideLoraIsShown()
    {
        var json = CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/dora-bias"), "--json").Succeeded().Json;
        Assert.True(json.GetProperty("dora").GetBoolean());
        var tokens = CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/alora-all"), "--json").Succeeded().Json.GetProperty("invocation_tokens");
        Assert.Equal([17, 18], tokens.EnumerateArray().Select(token => token.GetInt32()));
        Assert.Equal("lm_head.weight", CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/save-lm-head-untied"), "--json").Succeeded().Json.GetProperty("replaces")[0].GetString());
    }

    [SkippableFact]
    public void InspectShowsWhatAnAdapterDoesBesideItsProjections()
    {
        var dora = CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/dora-embed"), "--json", "-m", Shared.Path("golden/peft/models/llama-plain")).Succeeded().Json;
        Assert.True(dora.GetProperty("dora").GetBoolean());
        Assert.Contains("embed_tokens", dora.GetProperty("targets").EnumerateArray().Select(target => target.GetString()));
        var tokens = CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/tokens-dict-untied-both"), "--json").Succeeded().Json;
        Assert.Equal(2, tokens.GetProperty("replaces").GetArrayLength());
        Assert.All(tokens.GetProperty("replaces").EnumerateArray(), replaced => Assert.EndsWith("rows", replaced.GetString()));
        Assert.Contains("lm_head.weight", CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/save-lm-head-untied")).Succeeded().Text);
        Assert.NotEmpty(CommandRun.Of("inspect", Shared.Path("golden/peft/adapters/alora-all"), "--json").Succeeded().Json.GetProperty("invocation_tokens").EnumerateArray());
    }

    [SkippableFact]
    public void InspectSaysWhyAnAdapterDoesNotFit()
    {
        var run = CommandRun.Of("inspect", CommandRun.Adapter("pirate"), "--json", "-m", Shared.Path("models/stories260k/stories260K-f32.gguf"));
        run.Refused(1, "found");
        Assert.False(run.Json.GetProperty("fits").GetBoolean());
    }

    [SkippableFact]
    public void InspectShowsAVocabularyAndAFolder()
    {
        Assert.Equal("vocabulary", CommandRun.Of("inspect", Shared.Path("tokenizers/ggml-vocab-llama-spm.gguf"), "--json").Succeeded().Json.GetProperty("kind").GetString());
        Assert.Equal("Hugging Face", CommandRun.Of("inspect", Shared.Path("models/tinystories-656k"), "--json").Succeeded().Json.GetProperty("format").GetString());
    }

    [SkippableFact]
    public void DamagedFilesAreRefusedInOneLine()
    {
        var folder = Shared.Path("golden/gguf/malformed");
        var refused = 0;
        foreach (var line in File.ReadLines(Path.Combine(folder, "expected.tsv")).Skip(1))
        {
            var columns = line.Split('\t');
            var path = Path.Combine(folder, columns[0]);
            if (columns[1] == "load" || !Path.Exists(path)) continue;
            CommandRun.Of("inspect", path).Refused(1, "");
            refused++;
        }
        Assert.True(refused > 50, $"{refused} refused");
    }

    [Fact]
    public void ManifestIsWhatTheLibraryWrites()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of("manifest", Lantern, "--ranks", "16,8", "-o", folder["lantern.model.json"]).Succeeded();
        using var expected = new MemoryStream();
        TinyLora.Weights.ModelManifest.Write(Lantern, [8, 16], expected);
        Assert.Equal(expected.ToArray(), File.ReadAllBytes(folder["lantern.model.json"]));
        CommandRun.Of("manifest", Lantern, "--ranks", "0", "-o", folder["x"]).Refused(2, "--ranks");
        CommandRun.Of("manifest", Lantern, "--ranks", "8,8", "-o", folder["x"]).Refused(2, "--ranks");
        CommandRun.Of("manifest", Lantern, "--ranks", "8,x", "-o", folder["x"]).Refused(2, "--ranks");
        CommandRun.Of("manifest", Lantern).Refused(2, "--output");
        Assert.Equal(["lantern.model.json"], folder.Names);
    }

    [Fact]
    public void BenchPrintsALineForEachTest()
    {
        var run = CommandRun.Of("bench", "-m", Lantern, "-a", $"{CommandRun.Adapter("pirate")}:1", "--threads", "1", "--prompt", "16", "--prompt", "4", "--generate", "3", "--repetitions", "2", "--json");
        var lines = run.Succeeded().Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.StartsWith("tinylora ", lines[0].GetProperty("engine").GetString());
        Assert.Equal(["first-token", "prefill16", "prefill4", "decode3"], lines[1..^1].Select(line => line.GetProperty("test").GetString()));
        Assert.Equal([1, 2, 2, 2], lines[1..^1].Select(line => line.GetProperty("seconds").GetArrayLength()));
        Assert.All(lines[1..^1], line => Assert.All(line.GetProperty("seconds").EnumerateArray(), seconds => Assert.True(seconds.GetDouble() > 0)));
        Assert.True(lines[^1].GetProperty("peak_bytes").GetInt64() >= lines[^1].GetProperty("start_bytes").GetInt64());
        Assert.Contains("prefill4", CommandRun.Of("bench", "-m", Lantern, "--prompt", "4").Succeeded().Text);
        Assert.DoesNotContain("decode", CommandRun.Of("bench", "-m", Lantern, "--prompt", "4").Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("decode64", CommandRun.Of("bench", "-m", Lantern).Succeeded().Text, StringComparison.Ordinal);
        Assert.Contains("decode64-batch8", CommandRun.Of("bench", "-m", Lantern, "-a", CommandRun.Adapter("pirate"), "--sets", "--json").Succeeded().Text, StringComparison.Ordinal);
        CommandRun.Of("bench", "-m", Lantern, "-a", CommandRun.Adapter("pirate"), "--sets", "--generate", "0").Refused(2, "--sets");
        CommandRun.Of("bench", "-m", Lantern, "--sets").Refused(2, "--sets needs an adapter");
        CommandRun.Of("bench", "-m", Lantern, "--prompt", "0").Refused(2, "--prompt");
        CommandRun.Of("bench", "-m", Lantern, "--repetitions", "0").Refused(2, "--repetitions");
    }

    [Fact]
    public void AConvertedAdapterGivesTheSameBits()
    {
        using var folder = new TemporaryFolder();
        var pirate = CommandRun.Adapter("pirate");
        CommandRun.Of("adapter", "convert", pirate, folder["pirate.gguf"], "-m", Lantern).Succeeded();
        CommandRun.Of("adapter", "convert", folder["pirate.gguf"], folder["pirate"], "-m", Lantern).Succeeded();
        var expected = Hash(pirate);
        Assert.Equal(expected, Hash(folder["pirate.gguf"]));
        Assert.Equal(expected, Hash(folder["pirate"]));
        CommandRun.Of("adapter", "convert", pirate, folder["x.gguf"]).Refused(2, "-m MODEL");
        CommandRun.Of("adapter", "convert", folder["pirate.gguf"], folder["x"]).Refused(1, "-m MODEL");
        CommandRun.Of("adapter", "convert", pirate).Refused(2, "OUT");
        CommandRun.Of("adapter").Refused(2, "");

        static string Hash(string adapter) => CommandRun.Of("logits", "-m", Lantern, "--tokens", "1,2,3", "-a", adapter).Succeeded().Line;
    }

    [Fact]
    public void APathMayHoldAColon()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of("adapter", "convert", CommandRun.Adapter("pirate"), folder["a:2"]).Succeeded();
        var once = Hash(CommandRun.Adapter("pirate"));
        Assert.Equal(once, Hash(folder["a:2"]));
        Assert.Equal(once, Hash(folder["a:2"] + ":1"));
        Assert.NotEqual(once, Hash(folder["a:2"] + ":-1.5e0"));

        static string Hash(string adapter) => CommandRun.Of("logits", "-m", Lantern, "--tokens", "1,2,3", "-a", adapter).Succeeded().Line;
    }

    [Fact]
    public void HelpAndVersionAreNoErrors()
    {
        foreach (var command in (string[])["run", "chat", "logits", "tokenize", "detokenize", "template", "inspect", "manifest", "bench", "adapter"])
        {
            Assert.Contains(command, CommandRun.Of("--help").Succeeded().Text);
            Assert.Contains("Usage:", CommandRun.Of(command, "--help").Succeeded().Text);
        }
        Assert.Matches(@"^\d+\.\d+\.\d+", CommandRun.Of("--version").Succeeded().Text);
    }

    [Theory]
    [InlineData]
    [InlineData("bogus")]
    [InlineData("--bogus")]
    [InlineData("@file")]
    [InlineData("[suggest]")]
    public void AnythingElseIsWrongUsage(params string[] args) => CommandRun.Of(args).Refused(2, "'tinylora --help'");
}
