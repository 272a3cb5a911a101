using System.Text.Json;
using TinyLora.Adapters;
using TinyLora.Files;
using TinyLora.Inference;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Combined adapters against PEFT's own combinations.</summary>
public sealed unsafe class AdapterCombinationTests
{
    private const string Folder = "golden/peft/combine";

    public static TheoryData<string> Cases()
    {
        var rows = new TheoryData<string>();
        if (!Shared.Has(Folder)) return new() { "missing" };
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"{Folder}/cases.json")));
        foreach (var item in json.RootElement.EnumerateArray())
            if (!item.TryGetProperty("error", out _)) rows.Add(item.GetProperty("case").GetString()!);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Each_method_gives_what_PEFT_gives(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(Shared.Path($"{Folder}/cases.json")));
        var item = json.RootElement.EnumerateArray().Single(e => e.GetProperty("case").GetString() == name);
        var inputs = Inputs(item);
        using var combined = Combine(item, inputs);
        using var golden = SafetensorsFile.Open(Shared.Path($"{Folder}/{name}/golden.safetensors"));
        using var theirs = SafetensorsFile.Open(Shared.Path($"{Folder}/{name}/adapter_model.safetensors"));
        Assert.Equal(theirs.Tensors.Count, 2 * combined.Modules.Count);
        Assert.All(combined.Modules, module => Assert.Equal(1f, module.Scaling));
        var (isRandom, isRsLora, isClamped) = (item.GetProperty("random").GetBoolean(), name.StartsWith("defect-", StringComparison.Ordinal), name == "svd-clamp");
        if (isRandom)
        {
            CheckRandom(item, inputs, combined, name);
            return;
        }
        foreach (var pair in combined.Content.Pairs)
        {
            // PEFT's signs of the singular vectors decide what is clamped.
            if (isClamped) continue;
            var module = ModuleName.Of(pair.Kind, pair.Layer);
            if (golden.TryGetTensor($"delta.{module}", out _)) CheckDelta(pair, GoldenTensor.Floats(golden, $"delta.{module}"));
            else CheckFactors(pair, GoldenTensor.Floats(theirs, $"base_model.model.{module}.lora_A.weight"), GoldenTensor.Floats(theirs, $"base_model.model.{module}.lora_B.weight"));
        }
        using var model = Model.Open(Shared.Path("golden/peft/models/llama-plain"), new ModelOptions { ThreadCount = 1 });
        model.ApplyLoraAdapter(combined);
        using var prompt = SafetensorsFile.Open(Shared.Path($"{Folder}/prompt.safetensors"));
        var ids = GoldenTensor.Ints(prompt, "input_ids");
        var logits = GoldenTensor.Logits(model, ids);
        var expected = GoldenTensor.Floats(golden, "logits");
        model.RemoveLoraAdapter(combined);
        if (isRsLora)
        {
            // PEFT multiplies this one by 4 too much; right is the sum of both.
            foreach (var input in inputs) model.ApplyLoraAdapter(input);
            expected = GoldenTensor.Logits(model, ids);
            foreach (var input in inputs) model.RemoveLoraAdapter(input);
        }
        Assert.InRange(GoldenTensor.Distance(logits, expected).Max, 0, isClamped ? 2 : 2e-4);
        foreach (var input in inputs) input.Dispose();
    }

    [SkippableFact]
    public void A_combined_adapter_is_saved_and_read_again()
    {
        using var one = new LoraAdapter(Shared.Path($"{Folder}/in_p"));
        using var other = new LoraAdapter(Shared.Path($"{Folder}/in_u"));
        using var combined = AdapterCombination.Combine(CombinationMethod.Cat, [one, other], [0.8f, -0.6f]);
        var folder = Directory.CreateTempSubdirectory("combined").FullName;
        combined.SavePeft(folder);
        using var read = new LoraAdapter(folder);
        using var weights = ModelWeights.Open(Shared.Path("golden/peft/models/llama-plain"));
        Assert.Equal(Bound.Dump(combined, weights), Bound.Dump(read, weights));
        Directory.Delete(folder, recursive: true);
        // The name is no path, whose end a dot would cut off.
        Assert.Equal(("cat of in_p, in_u", "cat of in_p, in_u"), (combined.Name, combined.Path));
        using var again = AdapterCombination.Combine(CombinationMethod.Linear, [combined], [1]);
        Assert.Equal("linear of cat of in_p, in_u", again.Name);
    }

    [SkippableFact]
    public void What_cannot_be_combined_is_said()
    {
        using var p = new LoraAdapter(Shared.Path($"{Folder}/in_p"));
        using var u = new LoraAdapter(Shared.Path($"{Folder}/in_u"));
        using var dora = new LoraAdapter(Shared.Path("golden/peft/several/d"));
        Assert.Contains("rank", Assert.Throws<ArgumentException>(() => AdapterCombination.Combine(CombinationMethod.Linear, [p, u], [1, 1])).Message);
        Assert.Contains("density", Assert.Throws<ArgumentException>(() => AdapterCombination.Combine(CombinationMethod.Ties, [p, u], [1, 1])).Message);
        Assert.Contains("lora_magnitude_vector", Assert.Throws<ArgumentException>(() => AdapterCombination.Combine(CombinationMethod.Cat, [p, dora], [1, 1])).Message);
        Assert.Contains("1 weights for 2", Assert.Throws<ArgumentException>(() => AdapterCombination.Combine(CombinationMethod.Cat, [p, u], [1])).Message);
        Assert.Contains("33", Assert.Throws<ArgumentException>(() => AdapterCombination.Combine(CombinationMethod.Svd, [p, u], [1, 1], new CombinationOptions { Rank = 33 })).Message);
        Assert.Contains("float32", Assert.Throws<ArgumentException>(Grow).Message);
        Assert.Contains("dare_ties_svd", Assert.Throws<ArgumentException>(() => AdapterCombination.Parse("sum")).Message);

        void Grow()
        {
            // A and B, each time by the root of the weight.
            var larger = p;
            for (var i = 0; i < 4; i++) larger = AdapterCombination.Combine(CombinationMethod.Linear, [larger], [float.MaxValue]);
        }
    }

    [Fact]
    public void Singular_values_rebuild_their_matrix_and_both_ways_agree()
    {
        var random = new Random(3);
        var (rows, columns, rank) = (9, 14, 4);
        var (b, a, m) = (new double[rows * rank], new double[rank * columns], new double[rows * columns]);
        for (var i = 0; i < b.Length; i++) b[i] = random.NextDouble() - 0.5;
        for (var i = 0; i < a.Length; i++) a[i] = i < columns ? a[i] : random.NextDouble() - 0.5; // A first row of zeros: rank 3.
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < rank; j++)
                for (var k = 0; k < columns; k++) m[i * columns + k] += b[i * rank + j] * a[j * columns + k];
        var (dense, thin) = (SingularValues.Of(m, rows, columns), SingularValues.OfProduct(b, a, rows, columns, rank));
        for (var j = 0; j < rank; j++) Assert.Equal(dense.Values[j], thin.Values[j], 1e-12);
        Assert.InRange(dense.Values[3], 0, 1e-14);
        foreach (var svd in (SingularValues[])[dense, thin])
            for (var i = 0; i < rows; i++)
                for (var k = 0; k < columns; k++)
                    Assert.Equal(m[i * columns + k], Enumerable.Range(0, svd.Count).Sum(j => svd.Values[j] * svd.Left[j * rows + i] * svd.Right[j * columns + k]), 1e-12);
    }

    private static void CheckRandom(JsonElement item, LoraAdapter[] inputs, LoraAdapter combined, string name)
    {
        using var again = Combine(item, inputs);
        var (all, kept) = (0L, 0L);
        for (var i = 0; i < combined.Content.Pairs.Length; i++)
        {
            var (one, other) = (combined.Content.Pairs[i], again.Content.Pairs[i]);
            Assert.True(new ReadOnlySpan<byte>(one.B.Data, (int)one.B.Bytes).SequenceEqual(new ReadOnlySpan<byte>(other.B.Data, (int)other.B.Bytes)));
            foreach (var number in new ReadOnlySpan<float>(one.B.Data, (int)one.B.Count)) if (number != 0) kept++;
            all += one.B.Count;
        }
        // Two masks of 0.4 leave 1 - 0.6² where both have the module.
        if (name == "dare-linear") Assert.InRange(kept / (double)all, 0.6, 0.68);
        foreach (var input in inputs) input.Dispose();
    }

    private static void CheckFactors(LoraPair pair, float[] a, float[] b)
    {
        var mineA = new ReadOnlySpan<float>(pair.A.Data, (int)pair.A.Count);
        var mineB = new ReadOnlySpan<float>(pair.B.Data, (int)pair.B.Count);
        // PEFT fills a module of lower rank with zero rows.
        var rank = a.Length / pair.A.Columns;
        for (var i = 0; i < a.Length; i++) Assert.Equal(i < mineA.Length ? mineA[i] : 0, a[i], 1e-6f);
        for (var row = 0; row < pair.B.Rows; row++)
            for (var j = 0; j < rank; j++) Assert.Equal(j < pair.Rank ? mineB[row * pair.Rank + j] : 0, b[row * rank + j], 1e-6f);
    }

    private static void CheckDelta(LoraPair pair, float[] expected)
    {
        for (var row = 0; row < pair.B.Rows; row++)
            for (var k = 0; k < pair.A.Columns; k++)
            {
                var sum = 0.0;
                for (var j = 0; j < pair.Rank; j++) sum += (double)((float*)pair.B.Data)[row * pair.Rank + j] * ((float*)pair.A.Data)[j * pair.A.Columns + k];
                Assert.Equal(expected[row * pair.A.Columns + k], sum, 1e-5);
            }
    }

    private static LoraAdapter[] Inputs(JsonElement item) =>
        [.. item.GetProperty("adapters").EnumerateArray().Select(e => new LoraAdapter(Shared.Path($"{Folder}/{e.GetString()}")))];

    private static LoraAdapter Combine(JsonElement item, LoraAdapter[] inputs)
    {
        var arguments = item.GetProperty("args");
        var options = new CombinationOptions
        {
            Rank = arguments.TryGetProperty("svd_rank", out var rank) ? rank.GetInt32() : 0,
            Density = arguments.TryGetProperty("density", out var density) ? density.GetDouble() : 0,
            Clamp = arguments.TryGetProperty("svd_clamp", out var clamp) ? clamp.GetDouble() : null,
            SignByFrequency = arguments.TryGetProperty("majority_sign_method", out var sign) && sign.GetString() == "frequency",
            Seed = 4242,
        };
        var method = AdapterCombination.Parse(item.GetProperty("combination_type").GetString()!);
        return AdapterCombination.Combine(method, inputs, item.GetProperty("weights").EnumerateArray().Select(e => e.GetSingle()).ToArray(), options);
    }
}
