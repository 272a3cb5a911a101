using System.Globalization;

namespace TinyLora.Weights;

/// <summary>What GGUF files and Hugging Face folders call the tensors, without <c>.weight</c> or <c>.bias</c>.</summary>
internal static class WeightNames
{
    // In the order of WeightKind; # is the layer.
    private static readonly (WeightKind Kind, string Gguf, string HuggingFace)[] s_table =
    [
        (WeightKind.Embedding, "token_embd", "model.embed_tokens"),
        (WeightKind.FinalNorm, "output_norm", "model.norm"),
        (WeightKind.Head, "output", "lm_head"),
        (WeightKind.AttentionNorm, "blk.#.attn_norm", "model.layers.#.input_layernorm"),
        (WeightKind.MlpNorm, "blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"),
        (WeightKind.QueryNorm, "blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"),
        (WeightKind.KeyNorm, "blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"),
        (WeightKind.Query, "blk.#.attn_q", "model.layers.#.self_attn.q_proj"),
        (WeightKind.Key, "blk.#.attn_k", "model.layers.#.self_attn.k_proj"),
        (WeightKind.Value, "blk.#.attn_v", "model.layers.#.self_attn.v_proj"),
        (WeightKind.Output, "blk.#.attn_output", "model.layers.#.self_attn.o_proj"),
        (WeightKind.Gate, "blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"),
        (WeightKind.Up, "blk.#.ffn_up", "model.layers.#.mlp.up_proj"),
        (WeightKind.Down, "blk.#.ffn_down", "model.layers.#.mlp.down_proj"),
    ];

    /// <summary>All kinds, in the order of the table.</summary>
    public static IEnumerable<WeightKind> Kinds
    {
        get
        {
            foreach (var row in s_table) yield return row.Kind;
        }
    }

    /// <summary>Whether each layer has a tensor of this kind.</summary>
    public static bool IsOfLayer(WeightKind kind) => kind >= WeightKind.AttentionNorm;

    /// <summary>Whether it is a matrix; the others are norms.</summary>
    public static bool IsMatrix(WeightKind kind) => kind is WeightKind.Embedding or WeightKind.Head or >= WeightKind.Query;

    /// <summary>The name in a GGUF file: <c>blk.0.attn_q</c>.</summary>
    public static string Gguf(WeightKind kind, int layer) => At(s_table[(int)kind].Gguf, layer);

    /// <summary>The name in a Hugging Face folder: <c>model.layers.0.self_attn.q_proj</c>.</summary>
    public static string HuggingFace(WeightKind kind, int layer) => At(s_table[(int)kind].HuggingFace, layer);

    /// <summary>What a name of either scheme means, without <c>.weight</c> or <c>.bias</c>; the layer is 0 for tensors of no layer.</summary>
    public static bool TryParse(ReadOnlySpan<char> name, out WeightKind kind, out int layer)
    {
        foreach (var row in s_table)
        {
            kind = row.Kind;
            if (Matches(name, row.Gguf, out layer) || Matches(name, row.HuggingFace, out layer)) return true;
        }
        (kind, layer) = (default, 0);
        return false;
    }

    private static string At(string pattern, int layer) => pattern.Replace("#", layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);

    private static bool Matches(ReadOnlySpan<char> name, ReadOnlySpan<char> pattern, out int layer)
    {
        layer = 0;
        var at = pattern.IndexOf('#');
        if (at < 0) return name.SequenceEqual(pattern);
        var before = pattern[..at];
        var after = pattern[(at + 1)..];
        if (name.Length <= before.Length + after.Length || !name.StartsWith(before, StringComparison.Ordinal) || !name.EndsWith(after, StringComparison.Ordinal)) return false;
        var digits = name[before.Length..^after.Length];
        // One spelling a layer: no sign, no zero before other digits.
        return (digits.Length == 1 || digits[0] != '0') && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out layer);
    }
}
