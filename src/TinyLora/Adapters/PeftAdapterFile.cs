using System.Text.Json;
using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Adapters;

/// <summary>Reads PEFT's adapters: a configuration, and A [Rank, In] and B [Out, Rank] of each module.</summary>
internal static class PeftAdapterFile
{
    /// <exception cref="InvalidDataException">The files are damaged, do not belong together, or ask for what is not supported.</exception>
    public static AdapterContent Read(string configPath, JsonElement json, AdapterTensors file)
    {
        var config = PeftConfig.Read(configPath, json);
        var builder = Collect(file);
        var pairs = builder.Build((module, a, rank) =>
        {
            var expected = config.RankOf(module);
            if (rank != expected) Throw.BadFile(file.Path, a.Name, $"rank {rank}", $"rank {expected}, which {Path.GetFileName(configPath)} states");
            var alpha = config.AlphaOf(module);
            return (alpha, (float)(alpha / (config.RankStabilized ? Math.Sqrt(rank) : rank)));
        }, out var memory);
        return new AdapterContent
        {
            Path = file.Path,
            Format = AdapterFormat.Peft,
            Pairs = pairs,
            Alpha = config.Alpha,
            RankStabilized = config.RankStabilized,
            BaseModel = config.BaseModel,
            Metadata = config.Metadata,
            Memory = memory,
        };
    }

    /// <summary>Tensors without a configuration: the caller states alpha, the rank is that of the tensors.</summary>
    /// <exception cref="InvalidDataException">The file is damaged, or holds what is not supported.</exception>
    public static AdapterContent Read(double alpha, AdapterTensors file)
    {
        var pairs = Collect(file).Build((_, _, rank) => (alpha, (float)(alpha / rank)), out var memory);
        return new AdapterContent { Path = file.Path, Format = AdapterFormat.Peft, Pairs = pairs, Alpha = alpha, Memory = memory };
    }

    private static AdapterBuilder Collect(AdapterTensors file)
    {
        var builder = new AdapterBuilder(file.Path);
        TensorEntry? copy = null;
        foreach (var tensor in file.Tensors)
        {
            var name = ModuleName.Parse(tensor.Name);
            if (name.Part == "base_layer.weight")
            {
                // PEFT stores it beside LoRA on the embedding or the head, which says more about the file than the copy does.
                copy ??= tensor;
                continue;
            }
            if (name.Part is not ("lora_A.weight" or "lora_B.weight" or "lora_embedding_A" or "lora_embedding_B")) RefusePart(file.Path, tensor, name.Part);
            if (!name.TryGetPlace(out var kind, out var layer)) Throw.BadFile(file.Path, tensor.Name, "a tensor that has no place in the model", "one of a layer's seven projections");
            if (name.Part is "lora_A.weight" or "lora_embedding_A") builder.AddA(kind, layer, name.Module, tensor);
            else builder.AddB(kind, layer, name.Module, tensor);
        }
        if (copy != null) RefusePart(file.Path, copy, "base_layer.weight");
        return builder;
    }

    private static void RefusePart(string path, TensorEntry tensor, string part)
    {
        var what = part switch
        {
            "lora_B.bias" => "a bias of B (lora_bias)",
            "lora_magnitude_vector" or "lora_magnitude_vector.weight" => "a DoRA magnitude (use_dora)",
            "base_layer.weight" => "a copy of the base's weights",
            "base_layer.bias" or "bias" => "a trained bias of the base (bias)",
            "token_adapter.trainable_tokens_delta" => "rows of the embedding (trainable_token_indices)",
            "weight" => "a whole module (modules_to_save, or a vocabulary that was resized)",
            "lora_a" or "lora_b" => "a tensor named as mlx-lm does, without mlx-lm's configuration",
            _ => "an unknown kind of tensor",
        };
        Throw.BadFile(path, tensor.Name, what, "lora_A.weight or lora_B.weight: nothing else is supported");
    }
}
