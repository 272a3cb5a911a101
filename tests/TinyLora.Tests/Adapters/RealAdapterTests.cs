using TinyLora.Adapters;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Adapters that people trained.</summary>
public class RealAdapterTests
{
    [SkippableTheory]
    [InlineData("adapters/llama-3.2-1b-r8-qv", 16, 8, 2f)]
    [InlineData("adapters/qwen2.5-0.5b-r8-qv", 24, 8, 2f)]
    [InlineData("models/lantern/adapters/pirate", 5, 8, 2f)]
    [InlineData("models/lantern/adapters/bard", 5, 8, 2f)]
    [InlineData("models/lantern/adapters/grumpy", 5, 8, 2f)]
    [InlineData("models/lantern/adapters/grumpy.gguf", 5, 8, 2f)]
    [InlineData("golden/training/adapters/smollm2-wikisql-r8", 30, 8, 2f)]
    public void Adapters_are_read(string name, int layers, int rank, float scaling)
    {
        using var adapter = new LoraAdapter(Shared.Path(name));
        Assert.Equal(rank, adapter.Rank);
        Assert.Equal(layers, adapter.Modules.Select(m => m.Layer).Distinct().Count());
        Assert.All(adapter.Modules, m => Assert.Equal(scaling, m.Scaling));
    }

    [SkippableFact]
    public void An_adapter_of_mlx_lm_is_turned_and_keeps_its_scale()
    {
        using var adapter = new LoraAdapter(Shared.Path("adapters/qwen2.5-0.5b-mlx-lm-r8"));
        Assert.Equal(AdapterFormat.Mlx, adapter.Format);
        Assert.Equal(["q_proj", "v_proj"], adapter.Targets);
        Assert.Equal(new LoraTarget(20, "v_proj", 8, 896, 128, 80, 10f, TinyLora.Numerics.ElementType.F32, TinyLora.Numerics.ElementType.F32), adapter.Modules[1]);
    }

    [SkippableTheory]
    [InlineData("adapters/bert-modules-to-save", "base_model.model.")]
    [InlineData("adapters/gpt2-fan-in-fan-out", "base_model.model.")]
    public void Adapters_of_other_models_are_refused_by_name(string name, string what)
    {
        var path = Shared.Path(name);
        Assert.Contains(what, Assert.Throws<InvalidDataException>(() => new LoraAdapter(path)).Message);
    }

    [SkippableFact]
    public void An_adapter_of_another_size_does_not_fit()
    {
        using var adapter = new LoraAdapter(Shared.Path("adapters/qwen2.5-0.5b-r8-qv"));
        using var weights = ModelWeights.Open(Shared.Path("golden/peft/models/llama-plain"));
        Assert.Contains("896", Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, weights)).Message);
    }
}
