using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using TinyLora.Adapters;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>PEFT's patterns: what they mean, and that hostile ones cost little.</summary>
public class ModulePatternsTests
{
    private static readonly string[] s_modules =
    [
        "model.layers.0.self_attn.q_proj", "model.layers.10.self_attn.q_proj", "model.layers.1.mlp.up_proj", "lm_head", "model.embed_tokens", "q_proj", "xq_proj", "model.layersX0.self_attn.q_proj", "",
    ];

    [Theory]
    [InlineData("q_proj")]
    [InlineData("self_attn.q_proj")]
    [InlineData("self_attn\\.q_proj")]
    [InlineData("model.layers.0.self_attn.q_proj")]
    [InlineData("model\\.layers\\.0\\.self_attn\\.q_proj")]
    [InlineData("layers\\.0.self_attn.q_proj")]
    [InlineData("0.self_attn.q_proj")]
    [InlineData("..self_attn.q_proj")]
    [InlineData("model.layers.0")]
    [InlineData("lm_head")]
    [InlineData("lm-head")]
    [InlineData("_proj")]
    [InlineData("")]
    [InlineData(".*q_proj")]
    [InlineData("layers\\.[0-9]+\\.mlp\\..*")]
    [InlineData("\\w+")]
    public void A_key_matches_as_the_regular_expression_does(string key)
    {
        var expected = new Regex($@"\A(.*\.)?({key})$");
        foreach (var module in s_modules) Assert.Equal(expected.IsMatch(module), new ModulePattern(key, TimeSpan.FromSeconds(1)).IsMatch(module));
    }

    [Theory]
    [InlineData("(.*.*.*.*.*)*x", 1)]
    [InlineData("(.*)(.*)(.*)(.*)(.*)!", 9999)]
    [InlineData("(a|b|c|d[a-z]+|(e|f)*)+", 9999)]
    public void Slow_patterns_are_refused_in_little_time(string pattern, int count)
    {
        var json = JsonSerializer.Serialize(Enumerable.Range(0, count).ToDictionary(i => $"{pattern}{i}", _ => 1));
        using var document = JsonDocument.Parse(json);
        var watch = Stopwatch.StartNew();
        try
        {
            var patterns = new ModulePatterns("x", "rank_pattern");
            patterns.Read(document.RootElement, integers: true);
            for (var i = 0; i < 1000; i++) patterns.Resolve($"model.layers.{i}.self_attn.q_proj", 8);
        }
        catch (InvalidDataException refusal)
        {
            Assert.Contains("too long", refusal.Message);
        }
        // Under a second for two fields; the rest is room for a busy machine.
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
    }

    [Fact]
    public void A_name_for_each_module_of_a_large_model_is_quick()
    {
        var modules = Enumerable.Range(0, 700).Select(i => $"model.layers.{i / 7}.mlp.m{i % 7}").ToArray();
        using var document = JsonDocument.Parse(JsonSerializer.Serialize(modules.Select((module, i) => (module, i)).ToDictionary(pair => pair.module, pair => pair.i + 1)));
        var patterns = new ModulePatterns("x", "rank_pattern");
        patterns.Read(document.RootElement, integers: true);
        for (var i = 0; i < modules.Length; i++) Assert.Equal(i + 1, patterns.Resolve("base." + modules[i], 0));
    }
}
