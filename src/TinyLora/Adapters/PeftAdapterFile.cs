using System.Text.Json;
using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Reads PEFT's adapters: a configuration, A [Rank, In] and B [Out, Rank] of each module, and what the configuration asks for beside them.</summary>
internal static class PeftAdapterFile
{
    /// <exception cref="InvalidDataException">The files are damaged, do not belong together, or ask for what is not supported.</exception>
    public static AdapterContent Read(string configPath, JsonElement json, AdapterTensors file)
    {
        var config = PeftConfig.Read(configPath, json);
        var baseHash = file.ReadBaseHash();
        var builder = Collect(file, config);
        PeftConsistency.Check(configPath, file, config, builder);
        var pairs = builder.Build((module, a, rank) =>
        {
            var expected = config.RankOf(module);
            if (rank != expected) Throw.BadFile(file.Path, a.Name, $"rank {rank}", $"rank {expected}, which {Path.GetFileName(configPath)} states");
            var alpha = config.AlphaOf(module);
            return (alpha, (float)(alpha / (config.RankStabilized ? Math.Sqrt(rank) : rank)));
        }, out var others, out var memory);
        return new AdapterContent
        {
            Path = file.Path,
            Format = AdapterFormat.Peft,
            Pairs = pairs,
            Others = others,
            SavedModules = config.SavedModules,
            Biases = config.Biases,
            InvocationTokens = config.InvocationTokens,
            Alpha = config.Alpha,
            RankStabilized = config.RankStabilized,
            BaseModel = config.BaseModel,
            BaseHash = baseHash,
            Metadata = config.Metadata,
            Memory = memory,
        };
    }

    /// <summary>Tensors without a configuration: the caller states alpha, the rank is that of the tensors.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or holds what is not supported.</exception>
    public static AdapterContent Read(double alpha, AdapterTensors file)
    {
        var baseHash = file.ReadBaseHash();
        var pairs = Collect(file, null).Build((_, _, rank) => (alpha, (float)(alpha / rank)), out var others, out var memory);
        return new AdapterContent { Path = file.Path, Format = AdapterFormat.Peft, Pairs = pairs, Others = others, Alpha = alpha, BaseHash = baseHash, Memory = memory };
    }

    private static AdapterBuilder Collect(AdapterTensors file, PeftConfig? config)
    {
        var builder = new AdapterBuilder(file.Path);
        foreach (var tensor in file.Tensors)
        {
            var name = ModuleName.Parse(tensor.Name);
            if (config != null && config.IsTrainingState(name.Part)) continue;
            var isPlaced = name.TryGetPlace(out var kind, out var layer);
            var isAorB = name.Part is "lora_A.weight" or "lora_B.weight" or "lora_embedding_A" or "lora_embedding_B";
            if (isAorB && !isPlaced) Throw.BadFile(file.Path, tensor.Name, "a tensor that has no place in the model", "a projection of a layer, the head or the embedding");
            if (isAorB && name.Part.StartsWith("lora_embedding", StringComparison.Ordinal) == (kind == WeightKind.Embedding))
            {
                if (name.Part is "lora_A.weight" or "lora_embedding_A") builder.AddA(kind, layer, name.Module, tensor);
                else builder.AddB(kind, layer, name.Module, tensor);
                continue;
            }
            if (isAorB || !isPlaced || PartOf(name, kind, config) is not { } part) RefusePart(file.Path, tensor, name.Part);
            else builder.Add(part, kind, layer, tensor, part == AdapterPart.TokenRows ? config!.TrainedTokens[LastOf(name.Module)] : []);
        }
        return builder;
    }

    /// <summary>What a tensor is, if the configuration asks for it.</summary>
    private static AdapterPart? PartOf(ModuleName name, WeightKind kind, PeftConfig? config) => name.Part switch
    {
        "base_layer.weight" when kind is WeightKind.Embedding or WeightKind.Head => AdapterPart.BaseCopy,
        "lora_B.bias" when config is { HasBiasOfB: true } && kind is WeightKind.Head or >= WeightKind.Query => AdapterPart.BiasOfB,
        "lora_magnitude_vector" or "lora_magnitude_vector.weight" when config is { IsDora: true } && kind is WeightKind.Embedding or WeightKind.Head or >= WeightKind.Query => AdapterPart.Magnitude,
        "base_layer.bias" or "bias" when config is { Biases: not TrainedBiases.None } && kind >= WeightKind.Query => AdapterPart.Bias,
        "bias" when config != null && kind >= WeightKind.Query && config.Saves(name.Module) => AdapterPart.Bias,
        "token_adapter.trainable_tokens_delta" when config != null && kind is WeightKind.Embedding or WeightKind.Head && config.TrainedTokens.ContainsKey(LastOf(name.Module)) => AdapterPart.TokenRows,
        // PEFT also saves an embedding and a head whose vocabulary was resized, without a word in the configuration; a norm that nobody names is taken too.
        "weight" when config != null && (kind < WeightKind.Query || config.Saves(name.Module)) => AdapterPart.Weight,
        _ => null,
    };

    private static string LastOf(string module) => module[(module.LastIndexOf('.') + 1)..];

    private static void RefusePart(string path, TensorEntry tensor, string part)
    {
        var what = part switch
        {
            "lora_B.bias" => "a bias of B without lora_bias",
            "lora_magnitude_vector" or "lora_magnitude_vector.weight" => "a DoRA magnitude without use_dora",
            "base_layer.weight" => "a copy of the base's weights",
            "base_layer.bias" or "bias" => "a trained bias of the base that bias does not ask for",
            "token_adapter.trainable_tokens_delta" => "rows of tokens without trainable_token_indices",
            "weight" => "a whole module that modules_to_save does not name",
            "lora_a" or "lora_b" => "a tensor named as mlx-lm does, without mlx-lm's configuration",
            _ => "an unknown kind of tensor, or one in the wrong place",
        };
        Throw.BadFile(path, tensor.Name, what, "what adapter_config.json asks for: nothing else is supported");
    }
}
