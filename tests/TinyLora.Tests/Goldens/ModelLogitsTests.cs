using System.Runtime.InteropServices;
using System.Text.Json;
using TinyLora.Files;
using TinyLora.Inference;
using TinyLora.Numerics;

namespace TinyLora.Tests.Goldens;

/// <summary>
/// Logits of every covered model against the float64 reference beside it. Float weights: 2e-4, the float32 noise of another order of summation (the goldens' own is
/// 2.5e-5). Quantised weights: no further by rms than llama.cpp, which rounds its activations to 8 bits too.
/// </summary>
public sealed class ModelLogitsTests
{
    private const double FloatBound = 2e-4;

    public static TheoryData<string> GgufModels() => [.. Names("golden/gguf/models", "*.gguf")];

    public static TheoryData<string> Folders()
    {
        var data = new TheoryData<string>();
        if (Shared.TryPath("golden/peft/models/models.json") is not { } path) return data;
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (var model in json.RootElement.EnumerateArray()) data.Add(model.GetProperty("name").GetString()!);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(GgufModels))]
    public void GgufModel(string name)
    {
        var path = Shared.Path($"golden/gguf/models/{name}.gguf");
        if (!CoveredModels.Gguf(name))
        {
            Assert.Throws<InvalidDataException>(() => Model.Open(path).Dispose());
            return;
        }
        using var model = Model.Open(path);
        using var golden = SafetensorsFile.Open(Shared.Path($"golden/gguf/models/{name}.golden.safetensors"));
        foreach (var prompt in new[] { "p0", "p1" })
        {
            var exact = GoldenTensor.Floats(golden, $"{prompt}.logits_f64");
            var peer = GoldenTensor.Floats(golden, $"{prompt}.logits");
            var ours = GoldenTensor.Logits(model, GoldenTensor.Ints(golden, $"{prompt}.input_ids"));
            var quantized = model.Weights.Layers[0].Query.Type.IsQuantized();
            var (rms, max) = GoldenTensor.Distance(ours, exact);
            var (peerRms, _) = GoldenTensor.Distance(peer, exact);
            if (quantized) Assert.True(rms <= peerRms, $"{name} {prompt}: rms {rms:g3}, llama.cpp's {peerRms:g3}");
            else Assert.True(max <= FloatBound, $"{name} {prompt}: max {max:g3}");
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Folders))]
    public void Folder(string name)
    {
        var path = Shared.Path($"golden/peft/models/{name}");
        if (!CoveredModels.Folder(name))
        {
            Assert.Throws<InvalidDataException>(() => Model.Open(path).Dispose());
            return;
        }
        using var model = Model.Open(path);
        using var golden = SafetensorsFile.Open(Path.Combine(path, "golden.safetensors"));
        var ours = GoldenTensor.Logits(model, GoldenTensor.Ints(golden, "input_ids"));
        var (_, max) = GoldenTensor.Distance(ours, GoldenTensor.Floats(golden, "logits"));
        Assert.True(max <= FloatBound, $"{name}: max {max:g3}");
    }

    private static IEnumerable<string> Names(string folder, string pattern) => Shared.TryPath(folder) is { } path
        ? Directory.GetFiles(path, pattern).Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal)!
        : [];
}
