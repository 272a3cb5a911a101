using System.Security.Cryptography;
using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Files;
using TinyLora.Tests.Goldens;
using TinyLora.Tests.Weights;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>The hash of the base in an adapter's file: stored when asked for, checked where it stands, and what each kind tells apart.</summary>
public sealed class BaseHashTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hash").FullName;
    private readonly TinyAdapter _files = TinyAdapter.Mixed();

    public void Dispose()
    {
        _files.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(55)]
    [InlineData(56)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(119)]
    [InlineData(120)]
    [InlineData(100_003)]
    public void The_digest_is_SHA_256(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        var sha = new Sha256();
        for (int at = 0, step = 1; at < length; at += step, step = step * 3 % 200 + 1) sha.Append(data.AsSpan(at, Math.Min(step, length - at)));
        var digest = new byte[Sha256.DigestBytes];
        sha.Finish(digest);
        Assert.Equal(SHA256.HashData(data), digest);
    }

    [Fact]
    public void Norms_are_the_same_in_every_type_and_container_and_weights_are_not()
    {
        using var one = Open("a.gguf", isHalf: false, trained: false);
        using var bits = Open("b.gguf", isHalf: true, trained: false);
        using var trained = Open("c.gguf", isHalf: false, trained: true);
        TinyModel.Folder(_folder);
        using var folder = Model.Open(_folder);
        Assert.Equal(one.ComputeHash(), bits.ComputeHash());
        Assert.Equal(one.ComputeHash(), folder.ComputeHash());
        Assert.NotEqual(one.ComputeHash(), trained.ComputeHash());
        Assert.Equal(4, new[] { one, bits, trained, folder }.Select(model => model.ComputeHash(ModelHashKind.Weights)).Distinct().Count());
        Assert.Equal(ModelHashKind.Weights, one.ComputeHash(ModelHashKind.Weights).Kind);
        Assert.Throws<ArgumentOutOfRangeException>(() => one.ComputeHash((ModelHashKind)2));
        using (var again = Model.Open(one.Path)) Assert.Equal(one.ComputeHash(ModelHashKind.Weights), again.ComputeHash(ModelHashKind.Weights));
        trained.Dispose();
        Assert.Throws<ObjectDisposedException>(() => trained.ComputeHash(ModelHashKind.Weights));
    }

    [SkippableTheory]
    [InlineData("models/lantern/hf", "models/lantern/lantern-3m-F16.gguf", "models/lantern/lantern-3m-Q8_0.gguf", "models/lantern/lantern-3m-Q4_K_M.gguf")]
    [InlineData("models/tinystories-656k", "models/tinystories-656k/tinystories-656k-f32.gguf", "models/tinystories-656k/tinystories-656k-F16.gguf", "models/tinystories-656k/tinystories-656k-Q4_0.gguf")]
    public void Real_files_of_one_model_have_one_hash_of_norms(params string[] paths)
    {
        var hashes = new HashSet<ModelHash>();
        foreach (var path in paths)
        {
            using var weights = ModelWeights.Open(Shared.Path(path));
            hashes.Add(weights.Hash(ModelHashKind.Norms));
        }
        Assert.Single(hashes);
    }

    [Theory]
    [InlineData(ModelHashKind.Norms, false)]
    [InlineData(ModelHashKind.Norms, true)]
    [InlineData(ModelHashKind.Weights, false)]
    [InlineData(ModelHashKind.Weights, true)]
    public void It_is_checked_where_the_adapter_is_put_on(ModelHashKind kind, bool gguf)
    {
        using var own = Open("own.gguf", isHalf: false, trained: false);
        using var requantised = Open("requantised.gguf", isHalf: true, trained: false);
        using var other = Open("other.gguf", isHalf: false, trained: true);
        var path = Path.Combine(_folder, gguf ? "adapter.gguf" : "adapter");
        using (var plain = new LoraAdapter(_files.Folder))
        {
            Assert.Null(plain.BaseHash);
            if (gguf) plain.SaveGguf(path, own.Shape, own.ComputeHash(kind));
            else plain.SavePeft(path, own.Shape, own.ComputeHash(kind));
        }
        using var adapter = new LoraAdapter(path);
        Assert.Equal(own.ComputeHash(kind), adapter.BaseHash);
        own.ApplyLoraAdapter(adapter);
        if (kind == ModelHashKind.Norms) requantised.ApplyLoraAdapter(adapter);
        else Assert.Throws<InvalidDataException>(() => requantised.ApplyLoraAdapter(adapter));
        var message = Assert.Throws<InvalidDataException>(() => other.ApplyLoraAdapter(adapter)).Message;
        Assert.StartsWith(adapter.Content.Path + ": tinylora.base_hash: found " + other.ComputeHash(kind) + " of other.gguf, expected " + own.ComputeHash(kind), message);
        Assert.Contains("--allow-other-base", message);
        Assert.Empty(other.Adapters);
        Assert.Throws<InvalidDataException>(() => AdapterMerge.Merge(other.Path, [adapter], Path.Combine(_folder, "merged.gguf")));

        // It goes with the adapter, and can be overruled.
        var copy = Path.Combine(_folder, "copy");
        adapter.SavePeft(copy, own.Shape);
        using (var saved = new LoraAdapter(copy)) Assert.Equal(adapter.BaseHash, saved.BaseHash);
        adapter.AllowsOtherBase = true;
        other.ApplyLoraAdapter(adapter);
        other.RemoveLoraAdapter(adapter);
        own.RemoveLoraAdapter(adapter);
        requantised.RemoveLoraAdapter(adapter);
    }

    [Fact]
    public void A_combination_goes_on_the_base_of_its_parts()
    {
        using var model = Open("own.gguf", isHalf: false, trained: false);
        using var plain = new LoraAdapter(_files.Folder);
        plain.SavePeft(Path.Combine(_folder, "hashed"), null, model.ComputeHash());
        using var hashed = new LoraAdapter(Path.Combine(_folder, "hashed"));
        using var same = AdapterCombination.Combine(CombinationMethod.Cat, [hashed, hashed], [1, 1]);
        using var mixed = AdapterCombination.Combine(CombinationMethod.Cat, [hashed, plain], [1, 1]);
        Assert.Equal(model.ComputeHash(), same.BaseHash);
        Assert.Equal(model.ComputeHash(), mixed.BaseHash);
        var weights = model.ComputeHash(ModelHashKind.Weights);
        plain.SavePeft(Path.Combine(_folder, "exact"), null, weights);
        using var exact = new LoraAdapter(Path.Combine(_folder, "exact"));
        using var strict = AdapterCombination.Combine(CombinationMethod.Cat, [hashed, exact, plain], [1, 1, 1]);
        Assert.Equal(weights, strict.BaseHash);
        Assert.True(ModelHash.TryParse("norms-sha256:" + new string('a', 64), out var other));
        plain.SavePeft(Path.Combine(_folder, "other"), null, other);
        using var foreign = new LoraAdapter(Path.Combine(_folder, "other"));
        Assert.Contains("another base", Assert.Throws<ArgumentException>(() => AdapterCombination.Combine(CombinationMethod.Cat, [hashed, exact, foreign], [1, 1, 1])).Message);
        foreign.AllowsOtherBase = true;
        foreach (var order in (LoraAdapter[][])[[hashed, foreign], [foreign, hashed]])
        {
            using var allowed = AdapterCombination.Combine(CombinationMethod.Cat, order, [1, 1]);
            Assert.Null(allowed.BaseHash);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("sha1:00")]
    [InlineData("norms-sha256:")]
    [InlineData("norms-sha256:zz00000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("weights-sha256:000000000000000000000000000000000000000000000000000000000000000000")]
    public void Another_text_in_its_place_is_refused(string text)
    {
        Assert.False(ModelHash.TryParse(text, out _));
        var writer = new SafetensorsWriter().Metadata(ModelHash.Key, text)
            .Tensor("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", 1, 8).Tensor("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight", 8, 1);
        writer.Write(_files.WeightsPath);
        File.WriteAllText(_files.ConfigPath, """{"peft_type":"LORA","r":1}""");
        Assert.Contains(ModelHash.Key, Assert.Throws<InvalidDataException>(() => new LoraAdapter(_files.Folder)).Message);
        var path = Path.Combine(_folder, "a.gguf");
        File.WriteAllBytes(path, new GgufWriter().Key("general.type", "adapter").Key("general.architecture", "llama").Key("adapter.type", "lora").Key(ModelHash.Key, text)
            .Tensor("blk.0.attn_q.weight.lora_a", 1, 8).Tensor("blk.0.attn_q.weight.lora_b", 8, 1).ToArray());
        Assert.Contains(ModelHash.Key, Assert.Throws<InvalidDataException>(() => new LoraAdapter(path)).Message);
    }

    [Fact]
    public void Its_text_is_read_back()
    {
        using var model = Open("own.gguf", isHalf: false, trained: false);
        foreach (var kind in Enum.GetValues<ModelHashKind>())
        {
            var hash = model.ComputeHash(kind);
            Assert.True(ModelHash.TryParse(hash.ToString(), out var back));
            Assert.Equal(hash, back);
            Assert.Equal(64, hash.Digest.Length);
        }
        Assert.False(ModelHash.TryParse(null, out _));
    }

    /// <summary>The model of one layer, with Query in half precision or not, and its norms a little further trained or not.</summary>
    private Model Open(string name, bool isHalf, bool trained)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, TinyModel.Gguf((writer, kind) =>
        {
            if (kind == WeightKind.Query && isHalf) writer.Tensor(WeightNames.Gguf(kind, 0) + ".weight", [8, 8], 1, new byte[128]);
            else if (kind == WeightKind.MlpNorm && trained) writer.Tensor(WeightNames.Gguf(kind, 0) + ".weight", [8], 0, new byte[32]);
            else return false;
            return true;
        }).ToArray());
        return Model.Open(path, new ModelOptions { ThreadCount = 1 });
    }
}
