using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Goldens;
using TinyLora.Tests.Oracles;
using TinyLora.Weights;
using Xunit;
using static TinyLora.Tests.Adapters.AdapterSemanticsTests;

namespace TinyLora.Tests.Adapters;

/// <summary>Whether a configuration, its tensors and the model go together: what is refused by field or tensor, and what only looks as if it should be.</summary>
public sealed class AdapterConsistencyTests
{
    [SkippableTheory]
    [InlineData("dora-all", """{"alora_invocation_tokens":[3]}""", "use_dora", "leaves the magnitudes out")]
    [InlineData("dora-all", """{"lora_bias":true}""", "no lora_B.bias", "lora_bias says")]
    [InlineData("alora-bias", """{"bias":"none"}""", "_proj.bias", "bias does not ask for", "golden/peft/models/llama-biases")]
    [InlineData("projections", """{"target_modules":["k_proj","v_proj"]}""", "layers.0.self_attn.q_proj", "target_modules leaves out")]
    [InlineData("projections", """{"target_modules":"model\\.layers\\.1\\..*"}""", "layers.0.self_attn.q_proj", "target_modules leaves out")]
    [InlineData("projections", """{"target_modules":["roj"]}""", "layers.0.self_attn.q_proj", "target_modules leaves out")]
    [InlineData("projections", """{"exclude_modules":".*\\.0\\..*"}""", "layers.0.self_attn.q_proj", "exclude_modules leaves out")]
    [InlineData("projections", """{"target_modules":["q_proj"],"exclude_modules":["self_attn.q_proj"]}""", "layers.0.self_attn.q_proj", "exclude_modules leaves out")]
    [InlineData("projections", """{"target_modules":["q_proj"],"layers_to_transform":[1]}""", "layers.0.self_attn.q_proj", "layers_to_transform leaves out")]
    [InlineData("projections", """{"target_modules":["q_proj"],"layers_to_transform":0,"layers_pattern":"h"}""", "layers.0.self_attn.q_proj", "layers_to_transform leaves out")]
    [InlineData("projections", """{"target_modules":5}""", "target_modules", "a list of names")]
    [InlineData("projections", """{"alpha_pattern":{"q_proj":3,"q_proj":40}}""", "q_proj twice", "once")]
    [InlineData("alora-bias", """{"lora_bias":false}""", "lora_B.bias", "without lora_bias")]
    [InlineData("projections", """{"modules_to_save":["model.layers.1.mlp.up_proj"]}""", "q_proj.weight", "modules_to_save does not name")]
    [InlineData("projections", """{"modules_to_save":["q_proj","k_proj","v_proj","o_proj","gate_proj","up_proj","down_proj","z_proj"]}""", "z_proj", "no tensor")]
    [InlineData("rows-of-both", """{"trainable_token_indices":{"embed_tokens":[9,33]}}""", "lm_head", "without trainable_token_indices")]
    [InlineData("alora-embedding", """{"use_dora":true}""", "lora_magnitude_vector", "use_dora")]
    public void What_PEFT_does_not_make_either_is_refused_by_field(string name, string changes, string what, string why, string model = Plain)
    {
        using var weights = ModelWeights.Open(Shared.Path(model));
        using var files = Make(name, weights).WritePeft(changes);
        var message = Assert.Throws<InvalidDataException>(() => new LoraAdapter(files.Folder)).Message;
        Assert.Contains(what, message);
        Assert.Contains(why, message);
    }

    [SkippableTheory]
    [InlineData("""{"target_modules":null,"layers_to_transform":[1]}""")]
    [InlineData("""{"target_modules":"all-linear"}""")]
    [InlineData("""{"target_modules":"All-Linear"}""")]
    [InlineData("""{"target_modules":"model\\.layers\\.\\d{,2}\\..*_proj"}""")]
    [InlineData("""{"target_modules":["q_proj","q_proj","x"],"layers_to_transform":[0,7],"layers_pattern":["h","layers"],"exclude_modules":["mlp"]}""")]
    [InlineData("""{"target_modules":["model.layers.0.self_attn.q_proj"],"layers_to_transform":[1]}""")]
    [InlineData("""{"target_modules":"(?:.*?(?:language|model).*?self_attn.*?(?:q|k)_proj.*?)|(?:\\bmodel\\.layers\\.[\\d]{1,}\\.x)"}""")]
    [InlineData("""{"target_modules":"(?P<x>q|v)_proj","exclude_modules":null,"layers_to_transform":null,"layers_pattern":null}""")]
    public void What_names_the_modules_of_an_adapter_is_understood(string changes)
    {
        using var weights = ModelWeights.Open(Shared.Path(Plain));
        using var files = Make("projections", weights).WritePeft(changes);
        using var adapter = new LoraAdapter(files.Folder);
        Assert.Equal(["q_proj"], adapter.Targets);
    }

    [SkippableTheory]
    [InlineData("golden/peft/models/llama-biases", "alora-bias", "q_proj.bias", 1)]
    [InlineData("golden/peft/models/llama-biases", "projections", "down_proj.bias", 0)]
    public void Biases_that_are_missing_or_have_no_place_are_refused(string path, string name, string tensor, int layer)
    {
        using var weights = ModelWeights.Open(Shared.Path(path));
        using var files = Make(name, weights);
        using (var whole = new LoraAdapter(files.Folder))
        {
            Bound.Bind(whole, weights).Dispose();
            using var plain = ModelWeights.Open(Shared.Path(Plain));
            Assert.Contains("none, as the model has none there", Assert.Throws<InvalidDataException>(() => Bound.Bind(whole, plain)).Message);
        }
        files.WithoutBias(tensor.StartsWith("down", StringComparison.Ordinal) ? WeightKind.Down : WeightKind.Query, 1).WritePeft(layer == 1 ? "{}" : """{"bias":"none"}""");
        using var adapter = new LoraAdapter(files.Folder);
        var message = Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, weights)).Message;
        Assert.Contains($"model.layers.1.", message);
        Assert.Contains($"{tensor}: found no such tensor", message);
    }

    [SkippableFact]
    public void An_adapter_whose_biases_PEFT_has_lost_goes_on()
    {
        using var weights = ModelWeights.Open(Shared.Path("golden/peft/models/llama-biases"));
        using var files = new RandomAdapter(weights, 2).LoraOnAll().WritePeft("""{"bias":"lora_only"}""");
        using var adapter = new LoraAdapter(files.Folder);
        Bound.Bind(adapter, weights).Dispose();
        files.Biases().WithoutBias(WeightKind.Down, 1).WritePeft("""{"bias":"lora_only"}""");
        using var some = new LoraAdapter(files.Folder);
        Assert.Contains("down_proj.bias", Assert.Throws<InvalidDataException>(() => Bound.Bind(some, weights)).Message);
        files.WritePeft("""{"bias":"none"}""");
        Assert.Contains("bias does not ask for", Assert.Throws<InvalidDataException>(() => new LoraAdapter(files.Folder)).Message);
    }

    [SkippableFact]
    public void A_module_around_projections_is_saved_whole()
    {
        using var weights = ModelWeights.Open(Shared.Path(Plain));
        using var files = new RandomAdapter(weights, 3).Lora(WeightKind.Query, 0, 2).Save(WeightKind.Gate, 1).Save(WeightKind.Up, 1);
        files.WritePeft("""{"modules_to_save":["layers.1.mlp"]}""");
        using (var adapter = new LoraAdapter(files.Folder)) Assert.Contains("down_proj", Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, weights)).Message);
        files.Save(WeightKind.Down, 1).WritePeft("""{"modules_to_save":["layers.1.mlp"]}""");
        using var whole = new LoraAdapter(files.Folder);
        Assert.Equal(3, whole.Replaces.Count);
        Bound.Bind(whole, weights).Dispose();
    }

    [SkippableTheory]
    [InlineData("golden/peft/models/llama-tied", new[] { 3, 9 }, true)]
    [InlineData(Plain, new[] { 3, 9 }, true)]
    [InlineData(Plain, new[] { 33, 9 }, false)]
    public void Rows_of_different_tokens_go_together(string path, int[] others, bool fit)
    {
        using var model = Model.Open(Shared.Path(path), new ModelOptions { ThreadCount = 1 });
        using var first = new RandomAdapter(model.Weights, 5).Lora(WeightKind.Up, 0, 2).TokenRows(WeightKind.Embedding, 33, 200).WritePeft();
        using var second = new RandomAdapter(model.Weights, 6).Lora(WeightKind.Key, 1, 2).TokenRows(WeightKind.Embedding, others).WritePeft();
        using var one = new LoraAdapter(first.Folder);
        using var other = new LoraAdapter(second.Folder);
        model.ApplyLoraAdapter(one);
        if (!fit)
        {
            Assert.Throws<InvalidOperationException>(() => model.ApplyLoraAdapter(other));
            return;
        }
        model.ApplyLoraAdapter(other);
        var tokens = (int[])[33, 3, 9, 200, 7];
        var expected = ReferenceForwardPass.Logits(_ => second.Applied(1, to: first.Applied(1)), tokens);
        using var session = model.CreateSession();
        for (var t = 0; t < tokens.Length; t++)
        {
            var logits = session.Decode(tokens[t]);
            for (var k = 0; k < logits.Length; k++) Assert.InRange(logits[k] - expected[t][k], -2e-4, 2e-4);
        }
    }

    [SkippableFact]
    public void Rows_of_a_saved_embedding_are_refused()
    {
        using var weights = ModelWeights.Open(Shared.Path(Plain));
        using var files = new RandomAdapter(weights, 1).Lora(WeightKind.Query, 0, 2).TokenRows(WeightKind.Embedding, 7).Save(WeightKind.Embedding, 0).WritePeft();
        Assert.Contains("embed_tokens, which modules_to_save replaces", Assert.Throws<InvalidDataException>(() => new LoraAdapter(files.Folder)).Message);
    }

    [SkippableFact]
    public void A_projection_of_another_size_does_not_fit()
    {
        using var weights = ModelWeights.Open(Shared.Path(Plain));
        using var other = ModelWeights.Open(Shared.Path(Qwen3));
        using var files = Make("projections", other);
        using var adapter = new LoraAdapter(files.Folder);
        Assert.Contains("q_proj", Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, weights)).Message);
    }

    [SkippableFact]
    public void Each_module_that_is_promised_whole_must_be_there()
    {
        using var weights = ModelWeights.Open(Shared.Path(Plain));
        using var files = new RandomAdapter(weights, 1).Lora(WeightKind.Query, 0, 2).Save(WeightKind.Up, 0).WritePeft();
        using (var adapter = new LoraAdapter(files.Folder)) Bound.Bind(adapter, weights).Dispose();
        files.WritePeft("""{"modules_to_save":["up_proj"]}""");
        using (var adapter = new LoraAdapter(files.Folder))
            Assert.Contains("model.layers.1.mlp.up_proj", Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, weights)).Message);
        files.Save(WeightKind.Up, 1).WritePeft("""{"modules_to_save":["up_proj"]}""");
        using (var adapter = new LoraAdapter(files.Folder)) Bound.Bind(adapter, weights).Dispose();
    }

    [SkippableFact]
    public void Rows_of_a_tied_head_beside_a_whole_head_are_refused()
    {
        using var tied = ModelWeights.Open(Shared.Path(Tied));
        using var files = new RandomAdapter(tied, 1).Lora(WeightKind.Query, 0, 2).TokenRows(WeightKind.Embedding, 7).Save(WeightKind.Head, 0).WritePeft();
        using var adapter = new LoraAdapter(files.Folder);
        Assert.Contains("beside a whole head", Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, tied)).Message);
        using var plain = ModelWeights.Open(Shared.Path(Plain));
        using var others = new RandomAdapter(plain, 1).Lora(WeightKind.Query, 0, 2).TokenRows(WeightKind.Embedding, 7).Save(WeightKind.Head, 0).WritePeft();
        using var other = new LoraAdapter(others.Folder);
        Bound.Bind(other, plain).Dispose();
    }

    [SkippableFact]
    public void DoRA_of_mlx_lm_on_the_embedding_is_refused()
    {
        using var weights = ModelWeights.Open(Shared.Path(Plain));
        using var files = new RandomAdapter(weights, 1).Lora(WeightKind.Embedding, 0, 4).Magnitudes().WriteMlx();
        Assert.Contains("norms are those of the tokens' rows", Assert.Throws<InvalidDataException>(() => new LoraAdapter(files.Folder)).Message);
    }
}
