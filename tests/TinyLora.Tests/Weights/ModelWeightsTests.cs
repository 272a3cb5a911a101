using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Tests.Files;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Weights;

public sealed unsafe class ModelWeightsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinylora-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Both_forms_open()
    {
        using var file = OpenGguf(TinyModel.Gguf());
        Assert.Equal(RotaryLayout.Interleaved, file.Shape.RotaryLayout);
        Assert.NotNull(file.Gguf);
        Assert.Null(file.Folder);
        TinyModel.Folder(_folder);
        using var folder = ModelWeights.Open(_folder);
        Assert.Equal(file.Shape with { RotaryLayout = RotaryLayout.Halves }, folder.Shape);
        Assert.Equal(_folder, folder.Folder);
        Assert.Equal(TinyModel.Tensors.Length, folder.Tensors.Count);
        Assert.Equal((12, 8), (folder.Layers[0].Gate.Rows, folder.Layers[0].Gate.Columns));
        Assert.True(folder.Head.Weights != folder.Embedding.Weights);
        Assert.True(folder.Layers[0].QueryNorm == null);
    }

    [Fact]
    public void Vectors_are_float32_whatever_the_file_stores()
    {
        // An odd length of the header before them leaves the vectors without alignment.
        var data = new byte[] { 0x80, 0x3f, 0, 0x40, 0, 0xbf, 0, 0, 0x80, 0x3f, 0, 0x40, 0, 0xbf, 0, 0 };
        TinyModel.Folder(_folder, write: (writer, kind) =>
        {
            if (kind == WeightKind.Embedding) writer.Tensor("odd.rotary_emb.inv_freq", "U8", [1], [0]);
            if (kind == WeightKind.FinalNorm) writer.Tensor("model.norm.weight", "BF16", [8], data);
            if (kind == WeightKind.Query) writer.Tensor("model.layers.0.self_attn.q_proj.bias", "F16", [8], [0, 0x3c, 0, 0xc0, .. new byte[12]]);
            return kind == WeightKind.FinalNorm;
        });
        using var model = ModelWeights.Open(_folder);
        Assert.Equal([1f, 2f, -0.5f, 0f, 1f, 2f, -0.5f, 0f], new ReadOnlySpan<float>(model.FinalNorm, 8).ToArray());
        Assert.Equal([1f, -2f], new ReadOnlySpan<float>(model.Layers[0].Query.Bias, 2).ToArray());
        Assert.True(model.Layers[0].Key.Bias == null);
        Assert.Equal(0u, (nuint)model.Layers[0].AttentionNorm % 4);
        Assert.Equal([0f, 0.5f, 0.125f], new ReadOnlySpan<float>(model.Layers[0].AttentionNorm, 3).ToArray());
    }

    [Fact]
    public void A_tied_head_is_the_embedding_however_it_is_stored()
    {
        foreach (var absent in (WeightKind?[])[WeightKind.Head, WeightKind.Embedding, null])
        {
            TinyModel.Folder(_folder, """{"tie_word_embeddings":true}""", (_, kind) => kind == absent);
            using var model = ModelWeights.Open(_folder);
            Assert.True(model.Shape.TiedEmbedding);
            Assert.True(model.Head.Weights == model.Embedding.Weights);
        }
        TinyModel.Folder(_folder, """{"tie_word_embeddings":true}""", (writer, kind) =>
        {
            if (kind == WeightKind.Head) writer.Tensor("lm_head.weight", "F32", [5, 8], new byte[160]);
            return kind == WeightKind.Head;
        });
        Assert.Contains("tied", Refuse(_folder));
    }

    [Fact]
    public void An_alias_in_the_metadata_stands_for_a_tensor()
    {
        TinyModel.Folder(_folder, write: (writer, kind) =>
        {
            if (kind == WeightKind.Head) writer.Metadata("lm_head.weight", "model.embed_tokens.weight");
            return kind == WeightKind.Head;
        });
        using var model = ModelWeights.Open(_folder);
        Assert.True(model.Head.Weights == model.Embedding.Weights);
    }

    [Theory]
    [InlineData("""{"hidden_act":"gelu"}""", "hidden_act 'gelu'")]
    [InlineData("""{"model_type":"mixtral"}""", "architecture 'mixtral'")]
    [InlineData("""{"model_type":7}""", "model_type")]
    [InlineData("""{"model_type":null}""", "model_type")]
    [InlineData("""{"quantization_config":{"bits":4}}""", "quantization_config")]
    [InlineData("""{"partial_rotary_factor":0.5}""", "partial_rotary_factor = 0.5")]
    [InlineData("""{"rope_parameters":{"rope_theta":1e4,"partial_rotary_factor":0.5}}""", "partial_rotary_factor = 0.5")]
    [InlineData("""{"rope_scaling":{"type":"dynamic","factor":2}}""", "'dynamic'")]
    [InlineData("""{"rope_scaling":{"rope_type":"longrope","factor":2}}""", "'longrope'")]
    [InlineData("""{"rope_parameters":{"full_attention":{"rope_type":"default"}}}""", "full_attention")]
    [InlineData("""{"rope_scaling":{"type":"linear"}}""", "factor")]
    [InlineData("""{"rope_scaling":{"type":"linear","factor":0}}""", "factor")]
    [InlineData("""{"rope_scaling":{"type":"linear","factor":"2"}}""", "factor")]
    [InlineData("""{"rope_scaling":{"rope_type":"llama3","factor":2,"low_freq_factor":4,"high_freq_factor":1,"original_max_position_embeddings":8}}""", "high_freq_factor")]
    [InlineData("""{"rope_theta":-1}""", "rope theta")]
    [InlineData("""{"rms_norm_eps":-1}""", "epsilon")]
    [InlineData("""{"rms_norm_eps":1e300}""", "epsilon")]
    [InlineData("""{"num_attention_heads":3}""", "num_attention_heads")]
    [InlineData("""{"num_attention_heads":0}""", "num_attention_heads")]
    [InlineData("""{"num_key_value_heads":3}""", "key-value head count")]
    [InlineData("""{"num_hidden_layers":2147483647}""", "layer count")]
    [InlineData("""{"num_hidden_layers":2}""", "layer count")]
    [InlineData("""{"head_dim":2147483646}""", "head count")]
    [InlineData("""{"head_dim":3}""", "head size")]
    [InlineData("""{"head_dim":2}""", "q_proj.weight")]
    [InlineData("""{"vocab_size":6}""", "model.embed_tokens.weight")]
    [InlineData("""{"hidden_size":8.5}""", "hidden_size")]
    [InlineData("""{"tie_word_embeddings":"yes"}""", "tie_word_embeddings")]
    [InlineData("""{"model_type":"qwen3"}""", "q_norm.weight")]
    [InlineData("""{"model_type":"qwen2"}""", "q_proj.bias")]
    [InlineData("""{"model_type":"qwen2","use_sliding_window":true,"max_window_layers":0,"sliding_window":4,"layer_types":["full_attention"]}""", "layer_types[0]")]
    [InlineData("""{"model_type":"mistral","sliding_window":4,"layer_types":["sliding_attention","sliding_attention"]}""", "layer_types")]
    public void What_a_configuration_asks_for_and_is_not_done_is_refused(string changes, string reason)
    {
        TinyModel.Folder(_folder, changes);
        Assert.Contains(reason, Refuse(_folder));
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.q_norm.weight")]
    [InlineData("model.layers.0.pre_feedforward_layernorm.weight")]
    [InlineData("model.layers.1.mlp.up_proj.weight")]
    [InlineData("lm_head.bias")]
    [InlineData("score.weight")]
    public void A_tensor_without_a_use_is_refused(string name)
    {
        TinyModel.Folder(_folder, write: (writer, kind) =>
        {
            if (kind == WeightKind.Embedding) writer.Tensor(name, 8);
            return false;
        });
        Assert.Contains(name, Refuse(_folder));
    }

    [Theory]
    [InlineData("""{"model_type":"mistral","sliding_window":4}""", 4, 0)]
    [InlineData("""{"model_type":"mistral","sliding_window":null}""", 0, 0)]
    [InlineData("""{"model_type":"mistral"}""", 4096, 0)]
    [InlineData("""{"sliding_window":4}""", 0, 0)]
    public void The_window_is_the_models(string changes, int window, int firstLayer)
    {
        TinyModel.Folder(_folder, changes);
        using var model = ModelWeights.Open(_folder);
        Assert.Equal((window, firstLayer), (model.Shape.SlidingWindow, model.Shape.SlidingWindowFirstLayer));
    }

    [Fact]
    public void Variants_of_an_architecture_are_refused_by_their_key()
    {
        foreach (var (key, type, value) in new (string, GgufValueType, Action<BinaryWriter>)[]
        {
            ("llama.expert_count", GgufValueType.UInt32, w => w.Write(8u)),
            ("llama.logit_scale", GgufValueType.Float32, w => w.Write(2f)),
            ("llama.final_logit_softcapping", GgufValueType.Float32, w => w.Write(30f)),
            ("llama.attention.causal", GgufValueType.Boolean, w => w.Write(false)),
            ("llama.rope.dimension_count", GgufValueType.UInt32, w => w.Write(2u)),
            ("llama.attention.value_length", GgufValueType.UInt32, w => w.Write(2u)),
        }) Assert.Contains(key, RefuseGguf(TinyModel.Gguf().Key(key, type, value)));
        Assert.Contains("'longrope'", RefuseGguf(TinyModel.Gguf().Key("llama.rope.scaling.type", "longrope")));
        Assert.Contains("adapter", RefuseGguf(TinyModel.Gguf().Key("general.type", "adapter")));
        Assert.Contains("attn_q_norm", RefuseGguf(TinyModel.Gguf().Tensor("blk.0.attn_q_norm.weight", 4)));
        Assert.Contains("attn_q.bias", RefuseGguf(TinyModel.Gguf(architecture: "qwen2")));
        Assert.Contains("element type I32", RefuseGguf(TinyModel.Gguf((writer, kind) =>
        {
            if (kind == WeightKind.Up) writer.Tensor("blk.0.ffn_up.weight", [12, 8], 26, new byte[384]);
            return kind == WeightKind.Up;
        })));
    }

    [Fact]
    public void Frequencies_are_divided_by_those_of_the_file()
    {
        using var plain = OpenGguf(TinyModel.Gguf());
        Assert.Equal(2, plain.RotaryFrequencies.Length);
        Assert.Equal(1, plain.RotaryFrequencies[0], 1e-15);
        Assert.Equal(0.01, plain.RotaryFrequencies[1], 1e-16);
        using var divided = OpenGguf(TinyModel.Gguf().Tensor("rope_freqs.weight", [2], 0, [.. BitConverter.GetBytes(2f), .. BitConverter.GetBytes(8f)]));
        Assert.Equal(0.5, divided.RotaryFrequencies[0], 1e-15);
        Assert.Equal(0.01 / 8, divided.RotaryFrequencies[1], 1e-17);
        Assert.Contains("rope_freqs", RefuseGguf(TinyModel.Gguf().Tensor("rope_freqs.weight", [2], 0, new byte[8])));
        Assert.Contains("rope_freqs", RefuseGguf(TinyModel.Gguf().Tensor("rope_freqs.weight", 3)));
    }

    [Fact]
    public void What_is_not_there_is_not_found()
    {
        Assert.Throws<FileNotFoundException>(() => ModelWeights.Open(Path.Combine(_folder, "missing")));
        Assert.Throws<FileNotFoundException>(() => ModelWeights.Open(_folder));
        TinyModel.Folder(_folder);
        File.Delete(Path.Combine(_folder, "model.safetensors"));
        Assert.Contains("model.safetensors", Assert.Throws<FileNotFoundException>(() => ModelWeights.Open(_folder)).Message);
    }

    [Fact]
    public void Changed_models_open_or_are_refused()
    {
        var path = Path.Combine(_folder, "model.gguf");
        var sound = TinyModel.Gguf().Key("llama.rope.scaling.type", "yarn").Key("llama.rope.scaling.factor", 2f).ToArray();
        var config = """{"model_type":"qwen2","hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"vocab_size":5,"max_position_embeddings":16,"rms_norm_eps":1e-5,"use_sliding_window":true,"sliding_window":3,"max_window_layers":0,"layer_types":["sliding_attention"],"rope_scaling":{"type":"yarn","factor":2.0,"mscale":1,"mscale_all_dim":0.5}}"""u8.ToArray();
        TinyModel.Folder(_folder, write: (writer, kind) =>
        {
            foreach (var name in (string[])["q", "k", "v"])
                if (kind == WeightKind.Query) writer.Tensor($"model.layers.0.self_attn.{name}_proj.bias", name == "q" ? 8 : 4);
            return false;
        });
        File.WriteAllBytes(Path.Combine(_folder, "config.json"), config);
        ModelWeights.Open(_folder).Dispose();
        var random = new Random(7);
        var refused = 0;
        for (var round = 0; round < 3000; round++)
        {
            File.WriteAllBytes(path, Change(sound, sound.Length / 2, random));
            refused += Refused(path);
            File.WriteAllBytes(Path.Combine(_folder, "config.json"), Change(config, config.Length, random));
            refused += Refused(_folder);
        }
        Assert.InRange(refused, 1500, 5999);
    }

    private static byte[] Change(byte[] sound, int length, Random random)
    {
        var bytes = (byte[])sound.Clone();
        for (var changes = random.Next(1, 3); changes > 0; changes--)
            bytes[random.Next(length)] = random.Next(3) switch { 0 => (byte)random.Next(256), 1 => bytes[random.Next(length)], _ => (byte)random.Next('0', '9' + 1) };
        return bytes;
    }

    private static int Refused(string path)
    {
        try
        {
            using var model = ModelWeights.Open(path);
            Assert.All(model.RotaryFrequencies, frequency => Assert.True(double.IsFinite(frequency)));
            return 0;
        }
        catch (InvalidDataException e)
        {
            Assert.DoesNotContain('\n', e.Message);
            return 1;
        }
    }

    private ModelWeights OpenGguf(GgufWriter writer)
    {
        var path = Path.Combine(_folder, Path.GetRandomFileName());
        File.WriteAllBytes(path, writer.ToArray());
        return ModelWeights.Open(path);
    }

    private string RefuseGguf(GgufWriter writer)
    {
        var path = Path.Combine(_folder, Path.GetRandomFileName());
        File.WriteAllBytes(path, writer.ToArray());
        return Refuse(path);
    }

    private static string Refuse(string path)
    {
        var message = Cost.Of(() => Assert.Throws<InvalidDataException>(() => ModelWeights.Open(path))).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
