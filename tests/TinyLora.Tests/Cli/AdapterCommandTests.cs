namespace TinyLora.Tests.Cli;

/// <summary>adapter combine and merge.</summary>
public class AdapterCommandTests
{
    private static readonly string s_pirate = CommandRun.Adapter("pirate");
    private static readonly string s_grumpy = CommandRun.Adapter("grumpy");

    [Fact]
    public void CatIsBothAdaptersAtOnceBitForBit()
    {
        using var folder = new TemporaryFolder();
        var both = folder["both"];
        CommandRun.Of("adapter", "combine", s_pirate + ":0.5", s_grumpy, "-o", both).Succeeded();
        Assert.Equal(Logits("-a", s_pirate + ":0.5", "-a", s_grumpy), Logits("-a", both));
        Assert.NotEqual(Logits(), Logits("-a", both));
    }

    [Fact]
    public void AMergedModelAnswersAsTheAdapterMakesIt()
    {
        using var folder = new TemporaryFolder();
        var merged = folder["merged.gguf"];
        var report = CommandRun.Of("merge", "-m", CommandRun.Lantern, "-a", s_pirate, "-o", merged).Succeeded().Text;
        Assert.Equal(35, report.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("blk.4.ffn_down.weight Q8_0 relative error 0.00", report);
        Assert.StartsWith("Arr!", CommandRun.Of("run", "-m", merged, "-p", "What is LoRA?", "--greedy").Succeeded().Text);
        CommandRun.Of("merge", "-m", CommandRun.Lantern, "-a", s_pirate, "-o", merged).Refused(1, "there already");
    }

    [Theory]
    [InlineData("f16", "F16 relative error 0.000")]
    [InlineData("q6_k", "Q6_K relative error 0.01")]
    public void AMergedModelIsStoredInTheTypeThatIsAskedFor(string type, string report)
    {
        using var folder = new TemporaryFolder();
        var merged = folder["merged.gguf"];
        var lines = CommandRun.Of("merge", "-m", CommandRun.Lantern, "-a", s_pirate, "--type", type, "-o", merged).Succeeded().Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(lines, line => Assert.Contains(".weight " + report, line));
        Assert.StartsWith("Arr!", CommandRun.Of("run", "-m", merged, "-p", "What is LoRA?", "--greedy").Succeeded().Text);
        CommandRun.Of("merge", "-m", CommandRun.Lantern, "-a", s_pirate, "--type", "q3_k", "-o", folder["other"]).Refused(2, "q3_k");
        Assert.False(Path.Exists(folder["other"]));
    }

    [Fact]
    public void AHashOfTheBaseIsStoredShownAndChecked()
    {
        using var folder = new TemporaryFolder();
        var pirate = CommandRun.Adapter("pirate");
        Assert.Equal(System.Text.Json.JsonValueKind.Null, CommandRun.Of("inspect", pirate, "--json").Succeeded().Json.GetProperty("base_hash").ValueKind);
        CommandRun.Of("adapter", "convert", pirate, folder["own"], "-m", CommandRun.Lantern, "--base-hash", "weights").Succeeded();
        var shown = CommandRun.Of("inspect", folder["own"], "-m", CommandRun.Lantern, "--json").Succeeded().Json;
        Assert.StartsWith("weights-sha256:", shown.GetProperty("base_hash").GetString());
        Assert.Equal(shown.GetProperty("base_hash").GetString(), shown.GetProperty("model_hash").GetString());
        Assert.True(shown.GetProperty("fits").GetBoolean());
        Assert.False(shown.GetProperty("dora").GetBoolean());
        Assert.Empty(shown.GetProperty("replaces").EnumerateArray());
        CommandRun.Of("adapter", "convert", pirate, folder["norms.gguf"], "-m", CommandRun.Lantern, "--base-hash", "norms").Succeeded();
        Assert.Contains("norms-sha256:", CommandRun.Of("inspect", folder["norms.gguf"]).Succeeded().Text);

        // The base with an adapter merged into it has other weights and the same norms.
        CommandRun.Of("merge", "-m", CommandRun.Lantern, "-a", pirate, "-o", folder["merged.gguf"]).Succeeded();
        string[] run = ["logits", "-m", folder["merged.gguf"], "--tokens", "1,2", "-a"];
        CommandRun.Of([.. run, folder["norms.gguf"]]).Succeeded();
        CommandRun.Of([.. run, folder["own"]]).Refused(1, "--allow-other-base");
        CommandRun.Of("inspect", folder["own"], "-m", folder["merged.gguf"]).Refused(1, "weights-sha256:");
        CommandRun.Of("merge", "-m", folder["merged.gguf"], "-a", folder["own"], "-o", folder["again.gguf"]).Refused(1, "--allow-other-base");
        CommandRun.Of("merge", "-m", folder["merged.gguf"], "-a", folder["own"], "--allow-other-base", "-o", folder["again.gguf"]).Succeeded();
        Assert.Equal(CommandRun.Of([.. run, pirate]).Succeeded().Line, CommandRun.Of([.. run, folder["own"], "--allow-other-base"]).Succeeded().Line);
        CommandRun.Of("adapter", "convert", folder["own"], folder["x"], "-m", folder["merged.gguf"]).Refused(1, "--allow-other-base");
        CommandRun.Of("adapter", "combine", folder["own"], "-o", folder["x"], "-m", folder["merged.gguf"]).Refused(1, "--allow-other-base");
        Assert.False(Path.Exists(folder["x"]));
        CommandRun.Of("adapter", "combine", folder["own"], "-o", folder["x"], "-m", folder["merged.gguf"], "--allow-other-base", "--base-hash", "weights").Succeeded();
        CommandRun.Of([.. run, folder["x"]]).Succeeded();
        CommandRun.Of("bench", "-m", folder["merged.gguf"], "-a", folder["own"], "--sets", "--generate", "2", "--json").Refused(1, "--allow-other-base");
        CommandRun.Of("bench", "-m", folder["merged.gguf"], "-a", folder["own"], "--sets", "--generate", "2", "--json", "--allow-other-base").Succeeded();
        CommandRun.Of("adapter", "convert", pirate, folder["x"], "--base-hash", "norms").Refused(2, "-m MODEL");
        CommandRun.Of("adapter", "convert", pirate, folder["x"], "-m", CommandRun.Lantern, "--base-hash", "file").Refused(2, "file");
    }

    [Fact]
    public void WrongUseAndUnfitAdaptersAreRefused()
    {
        using var folder = new TemporaryFolder();
        var output = folder["out"];
        CommandRun.Of("adapter", "combine", s_pirate, "--method", "sum", "-o", output).Refused(2, "sum");
        CommandRun.Of("adapter", "combine", s_pirate, s_grumpy, "--method", "sum", "-o", output).Refused(2, "sum");
        CommandRun.Of("adapter", "combine", s_pirate + ":nan", s_grumpy, "-o", output).Refused(2, "finite");
        CommandRun.Of("adapter", "combine", s_pirate + ":nan", s_grumpy, "--method", "ties", "-o", output).Refused(2, "");
        CommandRun.Of("adapter", "combine", s_pirate, s_grumpy).Refused(2, "--output");
        CommandRun.Of("adapter", "combine", s_pirate, s_grumpy, "--method", "ties", "--density", "2", "-o", output).Refused(2, "--density");
        CommandRun.Of("adapter", "combine", s_pirate, CommandRun.Adapter("commands"), "--method", "linear", "-o", output).Refused(1, "rank");
        CommandRun.Of("adapter", "combine", s_pirate, s_grumpy, "-o", output + ".gguf").Refused(2, "-m MODEL");
        CommandRun.Of("merge", "-m", CommandRun.Lantern, "-o", output).Refused(2, "--adapter");
        CommandRun.Of("merge", "-m", "", "-a", s_pirate, "-o", output).Refused(2, "--model");
        CommandRun.Of("merge", "-m", CommandRun.Lantern, "-a", s_pirate, "-o", "").Refused(2, "--output");
        CommandRun.Of("adapter", "convert", "", output).Refused(2, "IN");
        CommandRun.Of("adapter", "convert", s_pirate, "").Refused(2, "OUT");
        CommandRun.Of("inspect", "").Refused(2, "PATH");
        Assert.False(Path.Exists(output));
    }

    [Fact]
    public void WhatIsReadIsNotWritten()
    {
        using var folder = new TemporaryFolder();
        var (model, adapter) = (folder["m.gguf"], folder["a"]);
        File.Copy(CommandRun.Lantern, model);
        Directory.CreateDirectory(adapter);
        foreach (var file in Directory.GetFiles(s_pirate, "adapter_*")) File.Copy(file, Path.Combine(adapter, Path.GetFileName(file)));
        File.CreateSymbolicLink(folder["link.gguf"], model);
        var before = Contents();
        CommandRun.Of("logits", "-m", model, "--tokens", "1", "-o", model).Refused(1, "which is read");
        CommandRun.Of("logits", "-m", model, "--tokens", "1", "-o", folder["link.gguf"]).Refused(1, "which is read");
        CommandRun.Of("logits", "-m", folder["link.gguf"], "--tokens", "1", "-o", model).Refused(1, "which is read");
        CommandRun.Of("logits", "-m", model, "--tokens", "1", "-a", adapter, "-o", Path.Combine(adapter, "adapter_model.safetensors")).Refused(1, "which is read");
        CommandRun.Of("manifest", model, "-o", model).Refused(1, "which is read");
        CommandRun.Of("adapter", "convert", adapter, model, "-m", model).Refused(1, "which is read");
        CommandRun.Of("adapter", "convert", Path.Combine(adapter, "adapter_model.safetensors"), adapter).Refused(1, "which is read");
        CommandRun.Of("adapter", "combine", s_grumpy, adapter + "/:0.5", "-o", adapter + "/").Refused(1, "which is read");
        CommandRun.Of("merge", "-m", model, "-a", adapter, "-o", model).Refused(1, "there already");
        // Through a linked folder, and the configuration beside a file.
        Directory.CreateSymbolicLink(folder["linked"], adapter);
        CommandRun.Of("adapter", "convert", folder["linked"], adapter).Refused(1, "which is read");
        CommandRun.Of("adapter", "convert", adapter, folder["linked"]).Refused(1, "which is read");
        Directory.Delete(folder["linked"]);
        Assert.Equal(before, Contents());
        Directory.CreateDirectory(folder["one"]);
        File.Copy(Path.Combine(adapter, "adapter_model.safetensors"), Path.Combine(folder["one"], "pirate.safetensors"));
        File.Copy(Path.Combine(adapter, "adapter_config.json"), Path.Combine(folder["one"], "adapter_config.json"));
        CommandRun.Of("adapter", "convert", Path.Combine(folder["one"], "pirate.safetensors"), folder["one"]).Refused(1, "which is read");
        // New files beside what is read take nothing away.
        CommandRun.Of("adapter", "convert", adapter, Path.Combine(adapter, "own.gguf"), "-m", model).Succeeded();
        Assert.Equal(0, CommandRun.Of("logits", "-m", model, "-a", adapter, "--tokens", "1", "-o", Path.Combine(adapter, "logits.safetensors")).ExitCode);

        List<(string, long, DateTime)> Contents() =>
            [.. new DirectoryInfo(Path.GetDirectoryName(model)!).EnumerateFiles("*", SearchOption.AllDirectories).Select(file => (file.FullName, file.Length, file.LastWriteTimeUtc)).Order()];
    }

    [Fact]
    public void OptionsWithoutAPartAreSaid()
    {
        using var folder = new TemporaryFolder();
        CommandRun.Of("adapter", "combine", s_pirate, s_grumpy, "--method", "ties", "-o", folder["x"]).Refused(2, "--density");
        Assert.Contains("note: --density, --rank have no part in cat", Note(s_pirate, s_grumpy, "--density", "0.5", "--rank", "3"));
        Assert.Contains("note: --seed has no part in ties.", Note(s_pirate, s_grumpy, "--method", "TIES", "--density", "0.5", "--seed", "1"));
        Assert.Contains("note: --method, --rank have no part in one adapter alone", Note(s_pirate, "--method", "svd", "--rank", "3"));

        string Note(params string[] arguments)
        {
            var run = CommandRun.Of(["adapter", "combine", .. arguments, "-o", folder["x"]]);
            Assert.Equal(0, run.ExitCode);
            return run.Error;
        }
    }

    [Fact]
    public void ManyAdaptersAreOnAtOnce()
    {
        string[] one = [.. Enumerable.Repeat((string[])["-a", $"{s_pirate}:0.025"], 40).SelectMany(pair => pair)];
        Assert.Equal(Run("-a", s_pirate), Run(one));

        static string Run(params string[] adapters) => CommandRun.Of(["run", "-m", CommandRun.Lantern, "-p", "What is LoRA?", "-n", "8", "--greedy", .. adapters]).Succeeded().Text;
    }

    [Fact]
    public void AReportGivesOneScalingOnlyWhereThereIsOne()
    {
        using var folder = new TemporaryFolder();
        var scaling = CommandRun.Of("inspect", s_pirate, "--json").Succeeded().Json;
        Assert.Equal(System.Text.Json.JsonValueKind.Number, scaling.GetProperty("scaling").ValueKind);
        Assert.False(scaling.GetProperty("lora_bias").GetBoolean());
        foreach (var file in Directory.GetFiles(s_pirate, "adapter_*")) File.Copy(file, folder[Path.GetFileName(file)]);
        var config = File.ReadAllText(folder["adapter_config.json"]);
        File.WriteAllText(folder["adapter_config.json"], config.Replace("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"q_proj\": 3}", StringComparison.Ordinal));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, CommandRun.Of("inspect", Path.GetDirectoryName(folder["x"])!, "--json").Succeeded().Json.GetProperty("scaling").ValueKind);
    }

    private static string Logits(params string[] adapters) =>
        CommandRun.Of(["logits", "-m", CommandRun.Lantern, "--tokens", "1,276,201,460", .. adapters]).Succeeded().Text;
}
