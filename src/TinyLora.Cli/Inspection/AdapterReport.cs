using System.Text.Json;
using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Cli.Inspection;

/// <summary>What an adapter holds.</summary>
internal static class AdapterReport
{
    /// <returns>Why it does not fit the model; null where it fits, or no model is given.</returns>
    public static string? Write(Utf8JsonWriter json, string path, string? modelPath)
    {
        using var adapter = new LoraAdapter(path);
        json.WriteStartObject();
        json.WriteString("path", path);
        json.WriteString("kind", "adapter");
        json.WriteString("format", adapter.Format.ToString().ToUpperInvariant());
        json.WriteString("base_model", adapter.BaseModel);
        json.WriteNumber("rank", adapter.Rank);
        JsonOutput.WriteNumbers(json, "ranks", [.. adapter.Ranks]);
        json.WriteNumber("alpha", adapter.Alpha);
        // One for all, or the modules below have each.
        if (adapter.Modules.All(module => module.Scaling == adapter.Modules[0].Scaling)) json.WriteNumber("scaling", adapter.Modules[0].Scaling);
        else json.WriteNull("scaling");
        json.WriteBoolean("rank_stabilized", adapter.IsRankStabilized);
        json.WriteBoolean("dora", adapter.IsDora);
        json.WriteBoolean("lora_bias", adapter.Content.Others.Any(tensor => tensor.Part == AdapterPart.BiasOfB));
        WriteStrings(json, "targets", adapter.Targets);
        WriteStrings(json, "replaces", adapter.Replaces);
        JsonOutput.WriteNumbers(json, "invocation_tokens", [.. adapter.InvocationTokens]);
        WriteStrings(json, "types", [.. adapter.Modules.SelectMany(module => new[] { module.TypeOfA, module.TypeOfB }).Distinct().Order().Select(type => type.ToString())]);
        json.WriteBoolean("acts_on_tied_head", adapter.Content.PairOfTiedHead != null);
        json.WriteNumber("parameters", adapter.ParameterCount);
        json.WriteNumber("bytes", adapter.SizeInBytes);
        json.WriteString("base_hash", adapter.BaseHash?.ToString());
        var misfit = modelPath == null ? null : WriteFit(json, adapter, modelPath);
        WriteModules(json, adapter.Modules);
        json.WriteEndObject();
        return misfit;
    }

    private static void WriteModules(Utf8JsonWriter json, IReadOnlyList<LoraTarget> modules)
    {
        json.WriteStartArray("modules");
        foreach (var module in modules)
        {
            json.WriteStartObject();
            json.WriteNumber("layer", module.Layer);
            json.WriteString("projection", module.Projection);
            json.WriteNumber("rank", module.Rank);
            json.WriteNumber("in", module.InputSize);
            json.WriteNumber("out", module.OutputSize);
            json.WriteNumber("alpha", module.Alpha);
            json.WriteNumber("scaling", module.Scaling);
            json.WriteString("type_a", module.TypeOfA.ToString());
            json.WriteString("type_b", module.TypeOfB.ToString());
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static string? WriteFit(Utf8JsonWriter json, LoraAdapter adapter, string modelPath)
    {
        using var model = Model.Open(modelPath, new ModelOptions { ThreadCount = 1 });
        json.WriteString("model", modelPath);
        if (adapter.BaseHash is { } hash) json.WriteString("model_hash", model.ComputeHash(hash.Kind).ToString());
        string? misfit = null;
        try
        {
            model.ApplyLoraAdapter(adapter);
        }
        catch (InvalidDataException refusal)
        {
            misfit = Failure.Describe(refusal);
        }
        json.WriteBoolean("fits", misfit == null);
        return misfit;
    }

    private static void WriteStrings(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }
}
