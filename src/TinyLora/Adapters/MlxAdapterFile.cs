using System.Text.Json;
using TinyLora.Errors;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// Reads mlx-lm's adapters: a configuration with <c>lora_parameters</c>, and lora_a [In, Rank] and lora_b [Rank, Out] of each module;
/// <c>scale</c> multiplies the product as it is, whatever the rank (and an <c>alpha</c> beside it, which mlx-lm does not read); m beside them where <c>fine_tune_type</c> is dora. LoRA on the
/// embedding also acts on a head that is tied to it.
/// </summary>
internal static class MlxAdapterFile
{
    /// <summary>Whether a configuration is mlx-lm's.</summary>
    public static bool IsConfig(JsonElement root) => !root.TryGetProperty("peft_type", out _) && root.TryGetProperty("lora_parameters", out _);

    /// <exception cref="InvalidDataException">The files are damaged, do not belong together, or ask for what is not supported.</exception>
    public static AdapterContent Read(string configPath, JsonElement root, AdapterTensors file)
    {
        var isDora = false;
        if (root.TryGetProperty("fine_tune_type", out var kind))
        {
            isDora = kind.ValueKind == JsonValueKind.String && kind.ValueEquals("dora");
            if (!isDora && !(kind.ValueKind == JsonValueKind.String && kind.ValueEquals("lora"))) Throw.BadFile(configPath, "fine_tune_type", kind.GetRawText(), "\"lora\" or \"dora\": nothing else is supported");
        }
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
            if (name.Part is not ("lora_a" or "lora_b" or "m")) Throw.BadFile(file.Path, tensor.Name, "an unknown kind of tensor", "lora_a, lora_b, or m: nothing else is supported");
            if (name.Part == "m" && !isDora) Throw.BadFile(file.Path, tensor.Name, "a DoRA magnitude without fine_tune_type dora", "one with it");
            if (!name.TryGetPlace(out var place, out var layer)) Throw.BadFile(file.Path, tensor.Name, "a tensor that has no place in the model", "a projection of a layer, the head or the embedding");
            if (isDora && place == WeightKind.Embedding) Throw.BadFile(file.Path, tensor.Name, "mlx-lm's DoRA on the embedding, whose norms are those of the tokens' rows", "DoRA on projections and the head; PEFT's on the embedding is read too");
            if (name.Part == "m") builder.Add(AdapterPart.Magnitude, place, layer, tensor, []);
            else if (name.Part == "lora_a") builder.AddA(place, layer, name.Module, tensor);
            else builder.AddB(place, layer, name.Module, tensor);
        }
        builder.RequirePairs(AdapterPart.Magnitude);
        var baseModel = root.TryGetProperty("model", out var model) && model.ValueKind == JsonValueKind.String ? model.GetString() : null;
        if (isDora)
            foreach (var (place, layer, tensor) in builder.Pairs)
                if (!builder.Has(AdapterPart.Magnitude, place, layer)) Throw.BadFile(file.Path, tensor, "no m beside it", "one, as fine_tune_type says");
        var pairs = builder.Build((_, a, rank) =>
        {
            if (stated != 0 && rank != stated) Throw.BadFile(file.Path, a.Name, $"rank {rank}", $"rank {stated}, which {Path.GetFileName(configPath)} states");
            return (scale * rank, (float)scale);
        }, out var others, out var memory);
        return new AdapterContent
        {
            Path = file.Path,
            Format = AdapterFormat.Mlx,
            Pairs = pairs,
            PairOfTiedHead = builder.PairOfTiedHead,
            Others = others,
            Alpha = pairs[0].Alpha,
            BaseModel = baseModel,
            BaseHash = baseHash,
            Memory = memory,
        };
    }
}
