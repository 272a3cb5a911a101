using System.Text;
using TinyLora.Adapters;
using TinyLora.Tests.Files;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Sound adapters with a few bytes changed: read, or refused as damaged, and nothing else.</summary>
public sealed class AdapterFuzzTests : IDisposable
{
    private const int FewRounds = 3000;

    // A long run is asked for by name: 40,000 rounds are 200,000 files.
    private static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("TINYLORA_FUZZ_ROUNDS"), out var rounds) && rounds > 0 ? rounds : FewRounds;

    private readonly TinyAdapter _files = TinyAdapter.Mixed();

    public void Dispose() => _files.Dispose();

    [Fact]
    public void Changed_safetensors_files() => Mutate(_files.WeightsPath, File.ReadAllBytes(_files.WeightsPath), _files.Folder);

    [Fact]
    public void Changed_configurations() => Mutate(
        _files.ConfigPath,
        Encoding.UTF8.GetBytes("""{"peft_type":"LORA","r":3,"lora_alpha":6,"rank_pattern":{"k_(p|q)roj":2,"up_proj":1},"alpha_pattern":{"(.*)[a-c]+_proj":7.5},"use_rslora":true,"use_dora":false,"modules_to_save":null,"loftq_config":{},"bias":"none","init_lora_weights":"gaussian"}"""),
        _files.Folder);

    [Fact]
    public void Changed_gguf_files()
    {
        var sound = new GgufWriter().Key("general.type", "adapter").Key("general.architecture", "llama").Key("adapter.type", "lora").Key("adapter.lora.alpha", 16f)
            .Tensor("blk.0.attn_q.weight.lora_a", 2, 8).Tensor("blk.0.attn_q.weight.lora_b", 8, 2)
            .Tensor("blk.10.ffn_down.weight.lora_a", 1, 12).Tensor("blk.10.ffn_down.weight.lora_b", 8, 1).ToArray();
        var path = Path.Combine(_files.Folder, "adapter.gguf");
        Mutate(path, sound, path);
    }

    [SkippableTheory]
    [InlineData("bin-zip")]
    [InlineData("bin-legacy")]
    public void Changed_pickles(string name)
    {
        var sound = File.ReadAllBytes(Shared.Path($"golden/peft/pickled/{name}/adapter_model.bin"));
        var path = Path.Combine(_files.Folder, "adapter_model.bin");
        File.Delete(_files.WeightsPath);
        File.WriteAllText(_files.ConfigPath, """{"peft_type":"LORA","r":16}""");
        // Where the pickle lies; the numbers behind it are not of interest.
        Mutate(path, sound, _files.Folder, Math.Min(sound.Length, 4000), Rounds / 4);
    }

    [SkippableTheory]
    [InlineData("dora-embed")]
    [InlineData("save-lm-head-untied")]
    [InlineData("tokens-dict-untied-both")]
    [InlineData("lora-bias-no-base-bias")]
    [InlineData("alora-all")]
    public void Changed_adapters_with_parts_are_bound_or_refused(string name)
    {
        using var weights = ModelWeights.Open(Shared.Path("golden/peft/models/llama-plain"));
        var folder = Shared.Path($"golden/peft/adapters/{name}");
        foreach (var file in (string[])[_files.WeightsPath, _files.ConfigPath])
            File.Copy(Path.Combine(folder, Path.GetFileName(file)), file, overwrite: true);
        foreach (var file in (string[])[_files.ConfigPath, _files.WeightsPath])
        {
            var sound = File.ReadAllBytes(file);
            Mutate(file, sound, _files.Folder, Math.Min(sound.Length, 3000), Rounds / 10, weights);
            File.WriteAllBytes(file, sound);
        }
    }

    [SkippableTheory]
    [InlineData("projections")]
    [InlineData("alora-bias")]
    [InlineData("mlx-both")]
    [InlineData("mlx-dora")]
    public void Changed_adapters_of_other_makers_are_bound_or_refused(string name)
    {
        using var weights = ModelWeights.Open(Shared.Path("golden/peft/models/llama-tied"));
        using var files = AdapterSemanticsTests.Make(name, weights);
        foreach (var file in Directory.GetFiles(files.Folder))
        {
            var sound = File.ReadAllBytes(file);
            Mutate(file, sound, files.Folder, Math.Min(sound.Length, 3000), Rounds / 10, weights);
            File.WriteAllBytes(file, sound);
        }
    }

    private static void Mutate(string file, byte[] sound, string path, int length = 0, int rounds = 0, ModelWeights? weights = null)
    {
        if (rounds == 0) rounds = Rounds;
        File.WriteAllBytes(file, sound);
        new LoraAdapter(path).Dispose();
        if (length == 0) length = Math.Min(sound.Length, 1500);
        var random = new Random(20240608);
        var refused = 0;
        for (var round = 0; round < rounds; round++)
        {
            var bytes = (byte[])sound.Clone();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
            {
                var at = random.Next(length);
                switch (random.Next(4))
                {
                    case 0: bytes[at] = (byte)random.Next(256); break;
                    case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                    case 2: bytes.AsSpan(at, Math.Min(random.Next(1, 9), bytes.Length - at)).Fill((byte)(random.Next(2) * 255)); break;
                    default: bytes[at] = bytes[random.Next(length)]; break;
                }
            }
            if (random.Next(20) == 0) bytes = bytes[..random.Next(bytes.Length)];
            File.WriteAllBytes(file, bytes);
            try
            {
                using var adapter = new LoraAdapter(path);
                if (weights != null) Bound.Bind(adapter, weights).Dispose();
            }
            catch (InvalidDataException e)
            {
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }
        // Else the changes miss what is checked.
        Assert.InRange(refused, rounds / 8, rounds - 1);
    }
}
