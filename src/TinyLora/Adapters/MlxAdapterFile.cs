using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Adapters;

/// <summary>
/// Reads mlx-lm's adapters: a configuration with <c>lora_parameters</c>, and lora_a [In, Rank] and lora_b [Rank, Out] of each module;
/// <c>scale</c> multiplies the product as it is, whatever the rank (and an <c>alpha</c> beside it, which mlx-lm does not read).
/// </summary>
internal static class MlxAdapterFile
{
    /// <summary>Whether a configuration is mlx-lm's.</summary>
    public static bool IsConfig(JsonElement root) => !root.TryGetProperty("peft_type", out _) && root.TryGetProperty("lora_parameters", out _);

    /// <exception cref="InvalidDataException">The files are damaged, do not belong together, or ask for what is not supported.</exception>
    public static AdapterContent Read(string configPath, JsonElement root, AdapterTensors file)
    {
        if (root.TryGetProperty("fine_tune_type", out var kind) && !(kind.ValueKind == JsonValueKind.String && kind.ValueEquals("lora")))
            Throw.BadFile(configPath, "fine_tune_type", kind.GetRawText(), "\"lora\", the only one that is supported");
        var parameters = root.GetProperty("lora_parameters");
        if (parameters.ValueKind != JsonValueKind.Object) Throw.BadFile(configPath, "lora_parameters", parameters.ValueKind.ToString(), "an object");
        var scale = double.NaN;
        if (!parameters.TryGetProperty("scale", out var value) || value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out scale) || !double.IsFinite(scale))
            Throw.BadFile(configPath, "lora_parameters: scale", value.ValueKind == JsonValueKind.Undefined ? "no such field" : value.GetRawText(), "a number");
        var stated = 0;
        if (parameters.TryGetProperty("rank", out var r) && (r.ValueKind != JsonValueKind.Number || !r.TryGetInt32(out stated) || stated < 1))
            Throw.BadFile(configPath, "lora_parameters: rank", r.GetRawText(), "a rank of at least 1");

        var baseHash = file.ReadBaseHash();
        var builder = new AdapterBuilder(file.Path) { Transposed = true };
        foreach (var tensor in file.Tensors)
        {
            var name = ModuleName.Parse(tensor.Name);
            if (name.Part is not ("lora_a" or "lora_b")) Throw.BadFile(file.Path, tensor.Name, name.Part == "m" ? "a DoRA magnitude" : "an unknown kind of tensor", "lora_a or lora_b: nothing else is supported");
            if (!name.TryGetPlace(out var place, out var layer)) Throw.BadFile(file.Path, tensor.Name, "a tensor that has no place in the model", "one of a layer's seven projections");
            if (name.Part == "lora_a") builder.AddA(place, layer, name.Module, tensor);
            else builder.AddB(place, layer, name.Module, tensor);
        }
        var pairs = builder.Build((_, a, rank) =>
        {
            if (stated != 0 && rank != stated) Throw.BadFile(file.Path, a.Name, $"rank {rank}", $"rank {stated}, which {Path.GetFileName(configPath)} states");
            return (scale * rank, (float)scale);
        }, out _, out var memory);
        return new AdapterContent
        {
            Path = file.Path,
            Format = AdapterFormat.Mlx,
            Pairs = pairs,
            Alpha = pairs[0].Alpha,
            BaseModel = root.TryGetProperty("model", out var model) && model.ValueKind == JsonValueKind.String ? model.GetString() : null,
            BaseHash = baseHash,
            Memory = memory,
        };
    }
}
