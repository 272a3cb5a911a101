using TinyLora.Adapters;
using TinyLora.Numerics;
using TinyLora.Tests.Weights;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Where adapters are found, how they live, and how they are saved.</summary>
public sealed unsafe class LoraAdapterTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("model").FullName;
    private readonly TinyAdapter _files = TinyAdapter.Mixed();

    public void Dispose()
    {
        _files.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_scale_is_any_finite_number()
    {
        using var adapter = new LoraAdapter(_files.Folder) { Scale = -0.5f };
        Assert.Equal(-0.5f, adapter.Scale);
        Assert.Throws<ArgumentOutOfRangeException>(() => adapter.Scale = float.NaN);
    }

    [Fact]
    public void A_file_is_read_with_the_configuration_beside_it()
    {
        using var adapter = new LoraAdapter(_files.WeightsPath);
        Assert.Equal(Path.GetFileName(_files.Folder), adapter.Name);
        var lone = Path.Combine(_folder, "lone.anything");
        File.Copy(_files.WeightsPath, lone);
        File.Copy(_files.ConfigPath, Path.ChangeExtension(lone, ".json"));
        using var named = new LoraAdapter(lone);
        Assert.Equal("lone", named.Name);
        Assert.Equal(adapter.Modules, named.Modules);
    }

    [Fact]
    public void Without_a_configuration_alpha_must_be_stated()
    {
        var lone = Path.Combine(_folder, "lone.safetensors");
        File.Copy(_files.WeightsPath, lone);
        Assert.Contains("LoraAdapter(path, alpha)", Assert.Throws<InvalidDataException>(() => new LoraAdapter(lone)).Message);
        using var adapter = new LoraAdapter(lone, 6);
        Assert.Equal([2f, 3f, 2f, 6f, 2f], adapter.Modules.Select(m => m.Scaling));
        Assert.Throws<ArgumentException>(() => new LoraAdapter(_files.WeightsPath, 6));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LoraAdapter(lone, float.NaN));
    }

    [Fact]
    public void What_is_missing_is_named()
    {
        Assert.Throws<FileNotFoundException>(() => new LoraAdapter(Path.Combine(_folder, "nothing")));
        Assert.Contains("adapter_config.json", Assert.Throws<InvalidDataException>(() => new LoraAdapter(_folder)).Message);
        Assert.Throws<ArgumentException>(() => new LoraAdapter(""));
    }

    [Fact]
    public void A_file_that_changes_does_not_change_the_adapter()
    {
        Model();
        using var weights = ModelWeights.Open(_folder);
        using var adapter = new LoraAdapter(_files.Folder);
        using var other = new LoraAdapter(_files.Folder);
        var before = Bound.Dump(other, weights);
        File.WriteAllBytes(_files.WeightsPath, new byte[File.ReadAllBytes(_files.WeightsPath).Length]);
        Assert.Equal(before, Bound.Dump(adapter, weights));
    }

    [Fact]
    public void An_adapter_that_is_disposed_in_use_keeps_its_memory_to_the_last_use()
    {
        var adapter = new LoraAdapter(_files.Folder);
        adapter.AddUse();
        adapter.Dispose();
        adapter.Dispose();
        Assert.True(adapter.Content.Memory.Pointer != null);
        Assert.Throws<ObjectDisposedException>(adapter.AddUse);
        Assert.Throws<ObjectDisposedException>(() => adapter.Scale = 1);
        Assert.Throws<ObjectDisposedException>(() => adapter.SavePeft(_folder));
        adapter.ShareUse();
        adapter.ReleaseUse();
        Assert.True(adapter.Content.Memory.Pointer != null);
        adapter.ReleaseUse();
        Assert.True(adapter.Content.Memory.Pointer == null);
        Assert.Throws<InvalidOperationException>(adapter.ReleaseUse);
        Assert.Throws<InvalidOperationException>(adapter.ShareUse);
    }

    [Fact]
    public void A_model_gets_one_copy_until_it_is_released()
    {
        Model();
        using var weights = ModelWeights.Open(_folder);
        using var adapter = new LoraAdapter(_files.Folder);
        object first = new(), second = new();
        var bound = adapter.BindTo(first, weights, Bound.FindKernel);
        Assert.Same(bound, adapter.BindTo(first, weights, Bound.FindKernel));
        Assert.NotSame(bound, adapter.BindTo(second, weights, Bound.FindKernel));
        Func<ElementType, int, int, int> findKernel = Bound.FindKernel;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        adapter.BindTo(first, weights, findKernel);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
        adapter.Release(first);
        Assert.NotSame(bound, adapter.BindTo(first, weights, Bound.FindKernel));
    }

    [Theory]
    [InlineData("""{"peft_type":"LORA","r":3,"lora_alpha":6.5,"rank_pattern":{"k_proj":2,"up_proj":1}}""")]
    [InlineData("""{"peft_type":"LORA","r":3,"lora_alpha":6,"use_rslora":true,"rank_pattern":{"k_proj":2,"up_proj":1},"alpha_pattern":{"layers.0.mlp.*":1.25}}""")]
    public void What_is_saved_to_PEFT_is_the_same(string config)
    {
        File.WriteAllText(_files.ConfigPath, config);
        Model();
        using var weights = ModelWeights.Open(_folder);
        using var adapter = new LoraAdapter(_files.Folder);
        var folder = Path.Combine(_folder, "saved");
        adapter.SavePeft(folder);
        using var saved = new LoraAdapter(folder);
        Assert.Equal(adapter.Modules, saved.Modules);
        Assert.Equal(Bound.Dump(adapter, weights), Bound.Dump(saved, weights));
    }

    [Fact]
    public void What_is_saved_to_GGUF_is_the_same_in_the_other_order()
    {
        Model();
        using var weights = ModelWeights.Open(_folder);
        using var adapter = new LoraAdapter(_files.Folder);
        var path = Path.Combine(_folder, "saved");
        adapter.SaveGguf(path, weights.Shape);
        using var gguf = new LoraAdapter(path);
        Assert.Equal(AdapterFormat.Gguf, gguf.Format);
        Assert.Equal(Bound.Dump(adapter, weights), Bound.Dump(gguf, weights));
        Assert.Throws<ArgumentNullException>(() => gguf.SavePeft(_folder));
        var back = Path.Combine(_folder, "back");
        gguf.SavePeft(back, weights.Shape);
        using var peft = new LoraAdapter(back);
        Assert.Equal(Bound.Dump(adapter, weights), Bound.Dump(peft, weights));
    }

    [Theory]
    [InlineData(8, 1, 16)]
    [InlineData(1, 1, 0)]
    public void Another_models_shape_is_refused_when_saving(int heads, int keyValueHeads, int headSize)
    {
        Model();
        using var weights = ModelWeights.Open(_folder);
        using var adapter = new LoraAdapter(_files.Folder);
        var path = Path.Combine(_folder, "saved");
        var other = weights.Shape with { HeadCount = heads, KeyValueHeadCount = keyValueHeads, HeadSize = headSize };
        Assert.Contains("outputs", Assert.Throws<InvalidDataException>(() => adapter.SaveGguf(path, other)).Message);
        Assert.Contains("layer", Assert.Throws<InvalidDataException>(() => adapter.SaveGguf(path, weights.Shape with { LayerCount = 0 })).Message);
        adapter.SaveGguf(path, weights.Shape);
        using var gguf = new LoraAdapter(path);
        Assert.Contains("outputs", Assert.Throws<InvalidDataException>(() => gguf.SavePeft(path + ".folder", other)).Message);
        Assert.Contains("qwen2", Assert.Throws<InvalidDataException>(() => gguf.SavePeft(path + ".folder", weights.Shape with { Architecture = "qwen2" })).Message);
        Assert.False(Path.Exists(path + ".folder"));
    }

    [Fact]
    public void Scalings_that_one_alpha_cannot_give_go_into_B()
    {
        File.WriteAllText(_files.ConfigPath, """{"peft_type":"LORA","r":3,"lora_alpha":6,"rank_pattern":{"k_proj":2,"up_proj":1},"alpha_pattern":{"k_proj":12}}""");
        Model();
        using var weights = ModelWeights.Open(_folder);
        using var adapter = new LoraAdapter(_files.Folder);
        var path = Path.Combine(_folder, "saved");
        adapter.SaveGguf(path, weights.Shape);
        using var saved = new LoraAdapter(path);
        var (before, after) = (BOfKey(adapter, weights), BOfKey(saved, weights));
        // 12 / 6: twice the numbers at half the scaling, exactly.
        Assert.Equal(before.Scaling, 2 * after.Scaling);
        for (var i = 0; i < before.Numbers.Length; i++) Assert.Equal(2 * before.Numbers[i], after.Numbers[i]);
    }

    [Theory]
    [InlineData("""{"peft_type":"LORA","r":3,"rank_pattern":{"(.*.*.*.*.*.*.*.*.*.*.*.*)*x":2}}""", "rank_pattern")]
    [InlineData("""{"peft_type":"LORA","r":3,"r":3}""", "twice")]
    [InlineData("""{"peft_type":"LORA","r":3,"lora_alpha":1e999}""", "lora_alpha")]
    [InlineData("""{"peft_type":"\ud800"}""", "JSON")]
    [InlineData("""{"peft_type":"LORA","use_rslora":"yes"}""", "use_rslora")]
    [InlineData("""{"lora_parameters":{"rank":8}}""", "scale")]
    public void A_bad_configuration_is_refused_by_field(string config, string what)
    {
        File.WriteAllText(_files.ConfigPath, config);
        Assert.Contains(what, Assert.Throws<InvalidDataException>(() => new LoraAdapter(_files.Folder)).Message);
    }

    private void Model() => TinyModel.Folder(_folder);

    private static unsafe (float[] Numbers, float Scaling) BOfKey(LoraAdapter adapter, ModelWeights weights)
    {
        using var bound = Bound.Bind(adapter, weights);
        ref readonly var key = ref bound.Site(0, LoraPlace.Attention).Second;
        return (new ReadOnlySpan<float>(key.B, 8 * key.Rank).ToArray(), key.Scaling);
    }
}
