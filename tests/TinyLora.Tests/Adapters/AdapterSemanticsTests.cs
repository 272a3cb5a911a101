using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Goldens;
using TinyLora.Tests.Oracles;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>What PEFT and mlx-lm can do and no golden shows, against the formulas in double.</summary>
public sealed unsafe class AdapterSemanticsTests
{
    private const string Plain = "golden/peft/models/llama-plain", Tied = "golden/peft/models/llama-tied", Biases = "golden/peft/models/llama-biases", Qwen3 = "golden/peft/models/qwen3";
    private const string Gguf = "golden/gguf/models/llama-64-F32.gguf", TiedGguf = "golden/gguf/models/llama-bias-64-F32.gguf";

    // The goldens' float32 noise is 2e-5 at most; ten times that for another order of the sums, as there. A part left out moves logits by more than 0.05: asserted.
    private const double MaxDistance = 2e-4;

    private static readonly int[] s_prompt = [5, 9, 33, 200, 17, 18, 7, 44, 45, 8];

    public static TheoryData<string, string> Cases()
    {
        var rows = new TheoryData<string, string>();
        foreach (var model in (string[])[Plain, Tied, Biases, Qwen3, Gguf, TiedGguf])
            foreach (var name in (string[])["projections", "projections-and-lora", "alora-saved", "alora-rows", "alora-embedding", "alora-bias", "dora-all", "rows-of-both", "norms"])
                rows.Add(model, name);
        foreach (var model in (string[])[Plain, Tied, Gguf, TiedGguf])
            foreach (var name in (string[])["mlx-embedding", "mlx-head", "mlx-both", "mlx-dora"]) rows.Add(model, name);
        return rows;
    }

    /// <summary>Adapters by what is in them.</summary>
    internal static RandomAdapter Make(string name, ModelWeights weights)
    {
        var adapter = new RandomAdapter(weights, name.Length);
        switch (name)
        {
            case "projections":
                adapter.Lora(WeightKind.Query, 0, 3);
                for (var kind = WeightKind.Query; kind <= WeightKind.Down; kind++) adapter.Save(kind, 1);
                // A module's bias is saved with it, whatever bias says.
                return adapter.WritePeft("""{"bias":"none"}""");
            case "projections-and-lora":
                return adapter.Lora(WeightKind.Key, 1, 3).Lora(WeightKind.Head, 0, 2).Save(WeightKind.Query, 0).Save(WeightKind.Down, 1).Save(WeightKind.FinalNorm, 0).WritePeft();
            case "alora-saved":
                return adapter.LoraOnAll().Invocation(17, 18).Save(WeightKind.Head, 0).Save(WeightKind.AttentionNorm, 1).WritePeft();
            case "alora-rows":
                return adapter.LoraOnAll().Invocation(17, 18).TokenRows(WeightKind.Embedding, 44, 9, 200).WritePeft();
            case "alora-embedding":
                return adapter.Lora(WeightKind.Embedding, 0, 4).Lora(WeightKind.Head, 0, 2).Lora(WeightKind.Value, 1, 5).Invocation(17, 18).WritePeft();
            case "alora-bias":
                return adapter.Lora(WeightKind.Query, 0, 3).Lora(WeightKind.Value, 0, 2).Lora(WeightKind.Output, 1, 4).Lora(WeightKind.Up, 1, 3).Lora(WeightKind.Down, 0, 5).BiasesOfB()
                    .Invocation(17, 18).Biases().Save(WeightKind.Gate, 0).WritePeft();
            case "dora-all":
                adapter.LoraOnAll().Lora(WeightKind.Head, 0, 2).Lora(WeightKind.Embedding, 0, 3).Magnitudes();
                adapter.Biases();
                return adapter.WritePeft();
            case "rows-of-both":
                return adapter.Lora(WeightKind.Up, 0, 2).TokenRows(WeightKind.Embedding, 9, 33).TokenRows(WeightKind.Head, 3, 9).WritePeft();
            case "norms":
                adapter.Lora(WeightKind.Output, 1, 2);
                foreach (var kind in (WeightKind[])[WeightKind.AttentionNorm, WeightKind.MlpNorm]) adapter.Save(kind, 0);
                if (weights.Shape.HasQueryKeyNorm) adapter.Save(WeightKind.QueryNorm, 1).Save(WeightKind.KeyNorm, 1);
                return adapter.WritePeft();
            case "mlx-embedding":
                return adapter.Lora(WeightKind.Query, 0, 4).Lora(WeightKind.Embedding, 0, 4).WriteMlx();
            case "mlx-head":
                return adapter.Lora(WeightKind.Down, 1, 4).Lora(WeightKind.Head, 0, 4).WriteMlx();
            case "mlx-both":
                return adapter.Lora(WeightKind.Embedding, 0, 4).Lora(WeightKind.Key, 1, 4).WriteMlx();
            default:
                return adapter.Lora(WeightKind.Query, 0, 4).Lora(WeightKind.Up, 1, 4).Lora(WeightKind.Head, 0, 4).Magnitudes().WriteMlx();
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Logits_are_those_of_the_formulas(string path, string name)
    {
        using var model = Model.Open(Shared.Path(path), new ModelOptions { ThreadCount = 1 });
        using var files = Make(name, model.Weights);
        using var adapter = new LoraAdapter(files.Folder);
        using var session = model.CreateSession();
        var plain = Run(session, s_prompt);
        session.Adapters.Add(adapter);
        foreach (var scale in (float[])[1, -0.5f])
        {
            adapter.Scale = scale;
            var logits = Run(session, s_prompt);
            AssertClose(Expected(files, scale, s_prompt), logits, MaxDistance);
            Assert.True(GoldenTensor.Distance(plain, logits).Max > 0.05, $"{name} does nothing at {scale}.");
        }
        adapter.Scale = 0;
        Assert.Equal(plain, Run(session, s_prompt));
        session.Adapters.Clear();
    }

    [SkippableTheory]
    [InlineData(Plain, 1)]
    [InlineData(Plain, 3)]
    [InlineData(Gguf, 1)]
    public void Rows_with_projections_of_their_own_equal_single_runs_bit_for_bit(string path, int threads)
    {
        using var model = Model.Open(Shared.Path(path), new ModelOptions { ThreadCount = threads });
        string[] names = ["projections", "", "", "projections-and-lora", "alora-saved", "projections", "alora-bias", "dora-all", "mlx-both"];
        var files = names.Select(name => name.Length == 0 ? null : Make(name, model.Weights)).ToArray();
        var adapters = files.Select(file => file == null ? null : new LoraAdapter(file.Folder)).ToArray();
        var sessions = adapters.Select(adapter =>
        {
            var session = model.CreateSession();
            if (adapter != null) session.Adapters.Add(adapter);
            return session;
        }).ToArray();
        var alone = sessions.Select(session => session.Prefill(s_prompt).ToArray()).ToArray();
        foreach (var session in sessions) session.Rewind(s_prompt.Length - 1);
        using (var batch = new Batch(sessions))
        {
            batch.Decode([.. Enumerable.Repeat(s_prompt[^1], sessions.Length)]);
            for (var row = 0; row < sessions.Length; row++) Assert.Equal(alone[row], batch.Logits(row).ToArray());
        }
        foreach (var session in sessions) session.Dispose();
        foreach (var adapter in adapters) adapter?.Dispose();
        foreach (var file in files) file?.Dispose();
    }

    [SkippableFact]
    public void Steps_with_matrices_of_their_own_allocate_nothing()
    {
        using var model = Model.Open(Shared.Path(Plain), new ModelOptions { ThreadCount = 1 });
        using var files = Make("projections", model.Weights);
        using var others = Make("alora-bias", model.Weights);
        using var adapter = new LoraAdapter(files.Folder);
        using var other = new LoraAdapter(others.Folder);
        Session[] sessions = [model.CreateSession(), model.CreateSession(), model.CreateSession()];
        sessions[0].Adapters.Add(adapter);
        sessions[2].Adapters.Add(other);
        foreach (var session in sessions) session.Prefill(s_prompt);
        using (var batch = new Batch(sessions))
        {
            int[] tokens = [5, 6, 7];
            for (var i = 0; i < 3; i++) batch.Decode(tokens);
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 20; i++)
            {
                (adapter.Scale, other.Scale) = (i % 3, 1 - i % 2);
                batch.Decode(tokens);
            }
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        foreach (var session in sessions) session.Dispose();
    }

    [SkippableTheory]
    [InlineData(Plain)]
    [InlineData(Gguf)]
    public void A_rank_padded_with_zeros_gives_the_same_bits(string path)
    {
        using var model = Model.Open(Shared.Path(path), new ModelOptions { ThreadCount = 1 });
        using var files = new RandomAdapter(model.Weights, 7).LoraOnAll().Lora(WeightKind.Head, 0, 3).Lora(WeightKind.Embedding, 0, 5).WritePeft();
        float[] expected;
        using (var adapter = new LoraAdapter(files.Folder)) expected = Logits(model, adapter);
        using var padded = new LoraAdapter(files.Padded(4).WritePeft().Folder);
        Assert.Equal(20, padded.Rank);
        Assert.Equal(expected, Logits(model, padded));
    }

    [SkippableTheory]
    [InlineData("alora-saved")]
    [InlineData("alora-rows")]
    [InlineData("alora-embedding")]
    [InlineData("alora-bias")]
    public void What_invocation_tokens_do_not_hold_back_makes_the_whole_past_again(string name)
    {
        using var model = Model.Open(Shared.Path(Plain), new ModelOptions { ThreadCount = 1 });
        using var files = Make(name, model.Weights);
        using var adapter = new LoraAdapter(files.Folder);
        using var session = model.CreateSession();
        session.Prefill(s_prompt);
        session.Adapters.Add(adapter);
        using (var fresh = model.CreateSession())
        {
            fresh.Adapters.Add(adapter);
            fresh.Prefill(s_prompt);
            Assert.Equal(fresh.Decode(11).ToArray(), session.Decode(11).ToArray());
        }
        session.Adapters.Remove(adapter);
        using var plain = model.CreateSession();
        plain.Prefill([.. s_prompt, 11]);
        Assert.Equal(plain.Decode(12).ToArray(), session.Decode(12).ToArray());
    }

    [SkippableTheory]
    [InlineData(Plain)]
    [InlineData(Gguf)]
    [InlineData(Tied)]
    public void Saved_and_read_again_an_adapter_is_the_same(string path)
    {
        using var model = Model.Open(Shared.Path(path), new ModelOptions { ThreadCount = 1 });
        var folder = Directory.CreateTempSubdirectory("saved").FullName;
        foreach (var name in (string[])["projections", "projections-and-lora", "alora-bias", "mlx-both", "mlx-dora", "alora-embedding"])
        {
            using var files = Make(name, model.Weights);
            using var adapter = new LoraAdapter(files.Folder);
            var needsModel = name == "mlx-both";
            if (needsModel) Assert.Throws<ArgumentNullException>(() => adapter.SavePeft(folder));
            adapter.SavePeft(folder, needsModel ? model.Shape : null);
            var expected = Logits(model, adapter);
            using (var saved = new LoraAdapter(folder)) Assert.Equal(expected, Logits(model, saved));
            var gguf = Path.Combine(folder, "adapter.gguf");
            if (name is "mlx-both" or "alora-embedding")
            {
                adapter.SaveGguf(gguf, model.Shape);
                using var saved = new LoraAdapter(gguf);
                Assert.Equal(adapter.InvocationTokens, saved.InvocationTokens);
                // Where one alpha does not do for all ranks, B was multiplied by what is missing.
                Assert.InRange(GoldenTensor.Distance(Logits(model, saved), expected).Max, 0, name == "mlx-both" ? 0 : 2e-5);
            }
            else
            {
                Assert.Contains("cannot be saved as GGUF", Assert.Throws<InvalidOperationException>(() => adapter.SaveGguf(gguf, model.Shape)).Message);
            }
        }
        Directory.Delete(folder, recursive: true);
    }

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

    /// <summary>[tokens][VocabularySize]</summary>
    internal static double[][] Expected(RandomAdapter adapter, double scale, int[] tokens)
    {
        var on = adapter.Applied(scale);
        if (adapter.Invocations == 0) return ReferenceForwardPass.Logits(_ => on, tokens);
        var before = adapter.Applied(scale, isInvoked: false);
        return ReferenceForwardPass.Logits(t => t < 4 ? before : on, tokens); // 17, 18 stand at 4
    }

    internal static void AssertClose(double[][] expected, float[] actual, double bound)
    {
        var largest = 0.0;
        for (var i = 0; i < actual.Length; i++)
        {
            var distance = Math.Abs(actual[i] - expected[i / expected[0].Length][i % expected[0].Length]);
            if (!(distance <= largest)) largest = distance; // NaN too
        }
        Assert.InRange(largest, 0, bound);
    }

    private static float[] Logits(Model model, LoraAdapter adapter)
    {
        using var session = model.CreateSession();
        session.Adapters.Add(adapter);
        return Run(session, s_prompt);
    }

    private static float[] Run(Session session, int[] ids)
    {
        var logits = new float[ids.Length * session.Model.Shape.VocabularySize];
        session.Rewind(0);
        session.Prefill(ids, logits);
        return logits;
    }
}
