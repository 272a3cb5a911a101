using System.Text.Json;
using TinyLora.Adapters;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Every adapter made with PEFT: it is read and fits its base, or is refused by the name of what is not supported.</summary>
public class PeftGoldenTests
{
    private const string Folder = "golden/peft";

    // What is not supported, and the cases that need it. A feature that comes is one line less.
    private static readonly (string Field, string[] Cases)[] s_notSupported =
    [
        ("proj", ["phi3-fused", "phi3-dora"]),
    ];

    // Refused for good: they belong to a base whose weights were changed.
    private static readonly string[] s_changedBase = ["pissa-unconverted", "olora-unconverted"];

    // The table has them refused; but PEFT computes plain LoRA with them, and has logits that say so.
    internal static readonly string[] MethodsOfTraining = ["velora", "monteclora"];

    // The table calls the format itself unsafe; here nothing in it is run, so it is read.
    private const string ReadPickle = "pickle-only";

    public static TheoryData<string, string, string> Goldens()
    {
        var rows = new TheoryData<string, string, string>();
        if (!Shared.Has(Folder)) return new() { { "none", "none", "missing" } };
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"{Folder}/adapters/cases.json")));
        foreach (var item in json.RootElement.EnumerateArray())
            rows.Add(item.GetProperty("case").GetString()!, item.GetProperty("base").GetString()!, item.GetProperty("adapter").GetString()!);
        return rows;
    }

    public static TheoryData<string, string, string> Refusals()
    {
        var rows = new TheoryData<string, string, string>();
        if (!Shared.Has(Folder)) return new() { { "none", "refuse", "missing" } };
        foreach (var line in File.ReadLines(Shared.Path($"{Folder}/refuse/expected.tsv")).Skip(1))
        {
            var cells = line.Split('\t');
            rows.Add(cells[0], cells[1], cells[2]);
        }
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Goldens))]
    public void Each_adapter_is_read_and_fits_its_base(string name, string baseModel, string adapterPath)
    {
        var path = Shared.Path($"{Folder}/adapters/{adapterPath}");
        if (FieldOf(name) is { } field)
        {
            Assert.Contains(field, RefusalOf(path, null));
            return;
        }
        using var adapter = new LoraAdapter(path);
        Assert.Equal(adapterPath.Split('/')[^1], adapter.Name);
        using var weights = Open(baseModel);
        if (weights == null) return;
        Assert.NotEmpty(Bound.Dump(adapter, weights));
    }

    [SkippableTheory]
    [MemberData(nameof(Refusals))]
    public void Each_folder_is_read_or_refused_as_it_should_be(string name, string must, string alsoOk)
    {
        var path = Shared.Path($"{Folder}/refuse/{name}");
        using var weights = ModelWeights.Open(Shared.Path($"{Folder}/models/llama-plain"));
        if (name == ReadPickle || MethodsOfTraining.Contains(name) || (must == "load" && FieldOf(name) == null))
        {
            if (alsoOk == "refuse" && Record.Exception(() => new LoraAdapter(path).Dispose()) is InvalidDataException) return;
            using var adapter = new LoraAdapter(path);
            Assert.NotEmpty(Bound.Dump(adapter, weights));
            return;
        }
        var message = RefusalOf(path, weights);
        if (must == "load") Assert.Contains(FieldOf(name)!, message);
    }

    [SkippableFact]
    public void Patterns_resolve_in_the_order_of_the_file()
    {
        using var specific = new LoraAdapter(Shared.Path($"{Folder}/adapters/patterns-specific-first"));
        Assert.Equal([2, 3, 4, 8, 12], specific.Ranks);
        Assert.Equal((4, 6d), Of(specific, 0, "q_proj"));
        Assert.Equal((12, 16d), Of(specific, 1, "q_proj"));
        Assert.Equal((3, 9d), Of(specific, 1, "gate_proj"));
        Assert.Equal((8, 5.5), Of(specific, 1, "down_proj"));
        Assert.Equal((8, 16d), Of(specific, 0, "down_proj"));
        Assert.Equal((8, 24d), Of(specific, 0, "k_proj"));
        Assert.Equal((8, 16d), Of(specific, 1, "k_proj"));
        using var general = new LoraAdapter(Shared.Path($"{Folder}/adapters/patterns-general-first"));
        Assert.Equal([12], general.Ranks);
        Assert.Equal((12, 3d), Of(general, 1, "v_proj"));
        using var stabilized = new LoraAdapter(Shared.Path($"{Folder}/adapters/patterns-rslora"));
        Assert.Equal((float)(4 / 3d), stabilized.Modules.Single(m => m is { Layer: 1, Projection: "q_proj" }).Scaling);
        Assert.Equal((float)(7 / 2d), stabilized.Modules.Single(m => m is { Layer: 0, Projection: "v_proj" }).Scaling);
    }

    [SkippableFact]
    public void An_alpha_that_is_no_whole_number_keeps_its_fraction()
    {
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/alpha-non-integer"));
        Assert.Equal(7.3, adapter.Alpha);
        Assert.All(adapter.Modules, m => Assert.Equal((float)(7.3 / 8), m.Scaling));
        Assert.Equal(["q_proj", "v_proj"], adapter.Targets);
        Assert.Equal(2 * (8 * 128 + 128 * 8 + 8 * 128 + 64 * 8), adapter.ParameterCount);
    }

    [SkippableFact]
    public void The_other_method_of_this_name_is_told_apart() =>
        Assert.Contains("shares only its name", RefusalOf(Shared.Path($"{Folder}/refuse/type-tinylora"), null));

    private static (int, double) Of(LoraAdapter adapter, int layer, string projection)
    {
        var module = adapter.Modules.Single(m => m.Layer == layer && m.Projection == projection);
        return (module.Rank, module.Alpha);
    }

    /// <summary>What a case needs that is not supported, or null.</summary>
    internal static string? FieldOf(string name) => s_changedBase.Contains(name) ? "init_lora_weights" : s_notSupported.FirstOrDefault(row => row.Cases.Contains(name)).Field;

    private static string RefusalOf(string path, ModelWeights? weights)
    {
        var error = Record.Exception(() =>
        {
            using var adapter = new LoraAdapter(path);
            if (weights != null) Bound.Bind(adapter, weights).Dispose();
        });
        Assert.IsType<InvalidDataException>(error);
        Assert.StartsWith(path, error.Message);
        Assert.DoesNotContain('\n', error.Message);
        return error.Message;
    }

    private static ModelWeights? Open(string name)
    {
        var path = name == "tinystories-656k" ? Shared.Path("models/tinystories-656k") : Shared.Path($"{Folder}/models/{name}");
        try
        {
            return ModelWeights.Open(path);
        }
        catch (InvalidDataException)
        {
            return null; // Another architecture.
        }
    }
}
