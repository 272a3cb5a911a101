using TinyLora.Errors;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>What an adapter file holds, checked and copied into native memory; it knows no model yet.</summary>
internal sealed class AdapterContent : IDisposable
{
    /// <summary>The file that the tensors came from.</summary>
    public required string Path { get; init; }

    public required AdapterFormat Format { get; init; }

    /// <summary>The only architecture that it fits, as GGUF calls it, or null where the file does not say.</summary>
    public string? Architecture { get; init; }

    /// <summary>The order of the rows of B of queries and keys within a head.</summary>
    public RotaryLayout RowOrder { get; init; } = RotaryLayout.Halves;

    /// <summary>By layer, and within one in the order of <see cref="WeightKind"/>; at least one.</summary>
    public required LoraPair[] Pairs { get; init; }

    /// <summary>The embedding's pair turned to act on a head that is tied to it, where the file's maker computes it so (mlx-lm); else null.</summary>
    public LoraPair? PairOfTiedHead { get; init; }

    /// <summary>What is neither an A nor a B.</summary>
    public AdapterTensor[] Others { get; init; } = [];

    /// <summary>What the file says of whole modules: the ends of their names (<c>modules_to_save</c>).</summary>
    public IReadOnlyList<string> SavedModules { get; init; } = [];

    /// <summary>Which biases of the base it promises to replace.</summary>
    public TrainedBiases Biases { get; init; }

    /// <summary>The tokens whose last occurrence in the prompt switches the adapter on, from there on (aLoRA); empty: it is always on.</summary>
    public int[] InvocationTokens { get; init; } = [];

    /// <summary>The numerator of the scaling where no pattern says otherwise.</summary>
    public required double Alpha { get; init; }

    /// <summary>Whether the scaling is Alpha / √Rank.</summary>
    public bool RankStabilized { get; init; }

    /// <summary>The base model as the file calls it, or null.</summary>
    public string? BaseModel { get; init; }

    /// <summary>The hash of the only base that it goes on, or null where the file does not say.</summary>
    public ModelHash? BaseHash { get; init; }

    /// <summary>Whether it goes on others too.</summary>
    public bool AllowsOtherBase { get; set; }

    /// <summary>What else the file says about itself.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    public required AlignedBuffer Memory { get; init; }

    /// <summary>Whether PEFT's form depends on the base: on the size of its heads, or on whether its head is tied.</summary>
    public bool NeedsShapeForPeft => RowOrder != RotaryLayout.Halves || PairOfTiedHead != null;

    /// <summary>What A and B there are for a model.</summary>
    public LoraPair[] PairsFor(ModelShape shape) => PairOfTiedHead != null && shape.TiedEmbedding ? [.. Pairs, PairOfTiedHead] : Pairs;

    /// <summary>Whether a tensor acts on one of the model's: rows of the embedding are also rows of a head that is tied to it and has none of its own.</summary>
    public bool ActsOn(AdapterTensor tensor, WeightKind kind, int layer, ModelShape shape)
    {
        if (tensor.Kind == kind && tensor.Layer == layer) return true;
        if (kind != WeightKind.Head || !shape.TiedEmbedding || tensor is not { Kind: WeightKind.Embedding, Part: AdapterPart.TokenRows }) return false;
        foreach (var other in Others)
            if (other is { Kind: WeightKind.Head, Part: AdapterPart.TokenRows }) return false;
        return true;
    }

    /// <summary>Whether A and B have their places in a model of this shape; what stands beside them is not looked at.</summary>
    /// <exception cref="InvalidDataException">They have not: path, tensor, found, expected.</exception>
    public void CheckPairs(ModelShape shape)
    {
        if (Architecture != null && Architecture != shape.Architecture) Throw.BadFile(Path, "general.architecture", Architecture, $"{shape.Architecture}, as the model is");
        foreach (var pair in PairsFor(shape))
        {
            if (WeightNames.IsOfLayer(pair.Kind) && pair.Layer >= shape.LayerCount) Throw.BadFile(Path, pair.A.Tensor, $"layer {pair.Layer}", $"0 to {shape.LayerCount - 1}, as the model has");
            var (outputs, inputs) = shape.SizeOf(pair.Kind);
            // The embedding looks its input, a token, up in its rows.
            if (pair.Kind == WeightKind.Embedding) (outputs, inputs) = (inputs, outputs);
            if (pair.A.Columns != inputs) Throw.BadFile(Path, pair.A.Tensor, $"{pair.A.Columns} inputs", $"{inputs}, as the model has");
            if (pair.B.Rows != outputs) Throw.BadFile(Path, pair.B.Tensor, $"{pair.B.Rows} outputs", $"{outputs}, as the model has");
        }
    }

    /// <summary>The tensor of a model of this shape that both stand in for, or null.</summary>
    public string? ConflictWith(AdapterContent other, ModelShape shape)
    {
        foreach (var mine in Others)
        {
            if (!mine.Replaces) continue;
            foreach (var theirs in other.Others)
                if (theirs.Replaces && mine.Part == AdapterPart.Bias == (theirs.Part == AdapterPart.Bias)
                    // Rows of different tokens do not meet.
                    && !(mine.Part == AdapterPart.TokenRows && theirs.Part == AdapterPart.TokenRows && !mine.Tokens.AsSpan().ContainsAny(theirs.Tokens))
                    && (ActsOn(mine, theirs.Kind, theirs.Layer, shape) || other.ActsOn(theirs, mine.Kind, mine.Layer, shape))) return mine.Matrix.Tensor;
        }
        return null;
    }

    /// <summary>The tensor of a place that is neither an A nor a B, or null.</summary>
    public AdapterTensor? Find(AdapterPart part, WeightKind kind, int layer)
    {
        foreach (var tensor in Others)
            if (tensor.Part == part && tensor.Kind == kind && tensor.Layer == layer) return tensor;
        return null;
    }

    /// <summary>The file's row that is a row of another layout: those of queries and keys may be ordered otherwise.</summary>
    public int SourceRow(WeightKind kind, int row, RotaryLayout layout, int headSize) =>
        layout != RowOrder && kind is WeightKind.Query or WeightKind.Key ? RotaryRows.Source(row, headSize, RowOrder) : row;

    /// <summary>Whether the file promises a whole module, by the end of its name as PEFT has it, or of that of a module around it.</summary>
    public static bool Saves(IReadOnlyList<string> savedModules, string module)
    {
        for (var end = module.Length; end > 0; end = module.LastIndexOf('.', end - 1))
            foreach (var saved in savedModules)
                if (module.AsSpan(0, end).EndsWith(saved, StringComparison.Ordinal)) return true;
        return false;
    }

    public void Dispose() => Memory.Dispose();
}
