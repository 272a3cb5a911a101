using System.Globalization;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// A tensor name of a PEFT or mlx-lm file, taken apart: <c>base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight</c> is the part
/// <c>lora_A.weight</c> of the module <c>model.layers.0.self_attn.q_proj</c>.
/// </summary>
internal readonly record struct ModuleName(string Module, string Part)
{
    private const string PeftPrefix = "base_model.model.";

    // Wrappers around the text model. Whatever else stands before its layers (a vision tower) is another model's.
    private static readonly string[] s_wrappers = ["model", "language_model", "text_model", "base_model", "module", "_orig_mod"];

    public static ModuleName Parse(string name)
    {
        var rest = name.StartsWith(PeftPrefix, StringComparison.Ordinal) ? name[PeftPrefix.Length..] : name;
        var at = 0;
        while (at < rest.Length)
        {
            var end = rest.IndexOf('.', at);
            if (end < 0) end = rest.Length;
            var segment = rest.AsSpan(at, end - at);
            if (segment.StartsWith("lora_", StringComparison.Ordinal) || segment.SequenceEqual("base_layer") || segment.SequenceEqual("token_adapter") || (end == rest.Length && segment is "weight" or "bias" or "m"))
                return new ModuleName(rest[..Math.Max(at - 1, 0)], WithoutAdapterName(rest[at..]));
            at = end + 1;
        }
        return new ModuleName(rest, "");
    }

    /// <summary>The place in the model, whatever wraps it.</summary>
    public bool TryGetPlace(out WeightKind kind, out int layer)
    {
        var rest = Module.AsSpan();
        while (true)
        {
            if (rest.StartsWith("layers.", StringComparison.Ordinal)) return TryParse($"model.{rest}", out kind, out layer);
            if (rest is "embed_tokens" or "norm") return TryParse($"model.{rest}", out kind, out layer);
            if (rest is "lm_head") return TryParse("lm_head", out kind, out layer);
            var dot = rest.IndexOf('.');
            if (dot < 0 || !IsWrapper(rest[..dot]))
            {
                (kind, layer) = (default, 0);
                return false;
            }
            rest = rest[(dot + 1)..];
        }
    }

    /// <summary>The usual name of a projection: <c>q_proj</c>.</summary>
    public static string Projection(WeightKind kind)
    {
        var name = WeightNames.HuggingFace(kind, 0);
        return name[(name.LastIndexOf('.') + 1)..];
    }

    /// <summary>The usual name of a module of a layer: <c>model.layers.0.self_attn.q_proj</c>.</summary>
    public static string Of(WeightKind kind, int layer) => WeightNames.HuggingFace(kind, layer);

    /// <summary>The names in GGUF files are another scheme and do not count here.</summary>
    private static bool TryParse(string name, out WeightKind kind, out int layer) => WeightNames.TryParse(name, out kind, out layer);

    private static bool IsWrapper(ReadOnlySpan<char> segment)
    {
        foreach (var wrapper in s_wrappers)
            if (segment.SequenceEqual(wrapper)) return true;
        return false;
    }

    /// <summary>lora_A.default.weight is lora_A.weight, lora_embedding_A.default is lora_embedding_A.</summary>
    private static string WithoutAdapterName(string part)
    {
        if (part.StartsWith("lora_embedding_A.", StringComparison.Ordinal) || part.StartsWith("lora_embedding_B.", StringComparison.Ordinal)) return part[.."lora_embedding_A".Length];
        var first = part.IndexOf('.');
        var last = part.LastIndexOf('.');
        if (!part.StartsWith("lora_", StringComparison.Ordinal) || first < 0 || first == last || part[(last + 1)..] is not ("weight" or "bias")) return part;
        return string.Create(CultureInfo.InvariantCulture, $"{part.AsSpan(0, first)}{part.AsSpan(last)}");
    }
}
