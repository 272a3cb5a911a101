using TinyLora.Errors;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Whether PEFT's tensors are all that the configuration promises, and nothing that does not go together.</summary>
internal static class PeftConsistency
{
    /// <exception cref="InvalidDataException">They are not.</exception>
    public static void Check(string configPath, AdapterTensors file, PeftConfig config, AdapterBuilder builder)
    {
        var hasEmbedding = false;
        foreach (var (kind, layer, tensor) in builder.Pairs)
        {
            hasEmbedding |= kind == WeightKind.Embedding;
            // A head's or an embedding's tensors may come of tied weights, which no list names.
            if (kind >= WeightKind.Query && config.Targets.FieldAgainst(ModuleName.Parse(tensor).Module) is { } field)
                Throw.BadFile(file.Path, tensor, $"LoRA on a module that {field} leaves out", $"only what {Path.GetFileName(configPath)} asks for: PEFT would not load it");
            if (config.IsDora && !builder.Has(AdapterPart.Magnitude, kind, layer)) Throw.BadFile(file.Path, tensor, "no lora_magnitude_vector beside it", "one, as use_dora says");
            if (config.HasBiasOfB && kind != WeightKind.Embedding && !builder.Has(AdapterPart.BiasOfB, kind, layer)) Throw.BadFile(file.Path, tensor, "no lora_B.bias beside it", "one, as lora_bias says");
            foreach (var part in (ReadOnlySpan<AdapterPart>)[AdapterPart.Weight, AdapterPart.TokenRows])
                if (builder.Has(part, kind, layer)) Throw.BadFile(file.Path, tensor, "LoRA on a module that modules_to_save or trainable_token_indices replace", "one of the two, as PEFT has it");
        }
        builder.RequirePairs(AdapterPart.Magnitude, AdapterPart.BiasOfB, AdapterPart.BaseCopy);
        foreach (var module in config.SavedModules)
            if (!HasModule(file, module, "weight")) Throw.BadFile(configPath, "modules_to_save", $"{module}, which has no tensor", "a whole module in the file");
        foreach (var module in config.TrainedTokens.Keys)
            if (!HasModule(file, module, "token_adapter.trainable_tokens_delta")) Throw.BadFile(configPath, "trainable_token_indices", $"{module}, which has no tensor", "rows in the file");
        foreach (var kind in (ReadOnlySpan<WeightKind>)[WeightKind.Embedding, WeightKind.Head])
            if (builder.Has(AdapterPart.TokenRows, kind, 0) && builder.Has(AdapterPart.Weight, kind, 0))
                Throw.BadFile(configPath, "trainable_token_indices", $"{ModuleName.Projection(kind)}, which modules_to_save replaces", "one of the two, as PEFT has it");
        if (config.IsDora && config.HasBiasOfB) Throw.BadFile(configPath, "lora_bias", "true beside use_dora", "false: PEFT does not compute both together either");
        if (hasEmbedding && config.HasBiasOfB) Throw.BadFile(configPath, "lora_bias", "true with LoRA on embed_tokens", "false: PEFT has no such bias either");
        if (config.IsDora && config.InvocationTokens.Length > 0)
            Throw.BadFile(configPath, "use_dora", "true beside alora_invocation_tokens", "false: PEFT computes plain LoRA then and leaves the magnitudes out");
    }

    private static bool HasModule(AdapterTensors file, string module, string part)
    {
        foreach (var tensor in file.Tensors)
        {
            var name = ModuleName.Parse(tensor.Name);
            if (name.Part == part && AdapterContent.Saves([module], name.Module)) return true;
        }
        return false;
    }
}
