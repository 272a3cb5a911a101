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
    internal const string Plain = "golden/peft/models/llama-plain", Tied = "golden/peft/models/llama-tied", Biases = "golden/peft/models/llama-biases", Qwen3 = "golden/peft/models/qwen3";
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
