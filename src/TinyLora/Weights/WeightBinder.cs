using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>Finds a model's tensors, checks their shapes and types, and puts them in their places.</summary>
internal sealed unsafe class WeightBinder
{
    private const int VectorStep = 16; // floats of a cache line: each decoded vector begins at one

    private readonly TensorCatalog _catalog;
    private readonly ModelShape _shape;
    private readonly Func<WeightKind, int, string> _name;
    private float* _free;

    /// <param name="catalog">The tensors.</param>
    /// <param name="shape">What they must fit.</param>
    /// <param name="name">One of the schemes of <see cref="WeightNames"/>.</param>
    public WeightBinder(TensorCatalog catalog, ModelShape shape, Func<WeightKind, int, string> name)
    {
        _catalog = catalog;
        _shape = shape;
        _name = name;
    }

    /// <summary>Checks all tensors; afterwards none is missing, of a wrong shape or without a use.</summary>
    /// <returns>Floats that vectors need which cannot be used as they lie in the file.</returns>
    /// <exception cref="InvalidDataException">A tensor is missing, unknown, of another shape or an unsupported type.</exception>
    public long Check()
    {
        // The smallest layer has nine tensors: a count that promises more is refused before anything is made for it.
        if (_shape.LayerCount > _catalog.Tensors.Count / 9)
            Throw.BadFile(_catalog.Path, "layer count", $"{_shape.LayerCount}", $"at most {_catalog.Tensors.Count / 9} with {_catalog.Tensors.Count} tensors");
        var floats = 0L;
        foreach (var kind in WeightNames.Kinds)
            for (var layer = 0; layer < (WeightNames.IsOfLayer(kind) ? _shape.LayerCount : 1); layer++)
                floats += Check(kind, layer);
        _catalog.RefuseUnused();
        return floats;
    }

    /// <summary>Puts the tensors in their places.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="decoded">Memory for the floats that <see cref="Check()"/> asked for.</param>
    public void Bind(ModelWeights weights, float* decoded)
    {
        _free = decoded;
        weights.Embedding = Matrix(WeightKind.Embedding, 0);
        weights.Head = _shape.TiedEmbedding ? weights.Embedding : Matrix(WeightKind.Head, 0);
        weights.FinalNorm = Vector(WeightKind.FinalNorm, 0);
        for (var layer = 0; layer < weights.Layers.Length; layer++)
        {
            weights.Layers[layer] = new LayerWeights
            {
                AttentionNorm = Vector(WeightKind.AttentionNorm, layer),
                MlpNorm = Vector(WeightKind.MlpNorm, layer),
                QueryNorm = _shape.HasQueryKeyNorm ? Vector(WeightKind.QueryNorm, layer) : null,
                KeyNorm = _shape.HasQueryKeyNorm ? Vector(WeightKind.KeyNorm, layer) : null,
                Query = Matrix(WeightKind.Query, layer),
                Key = Matrix(WeightKind.Key, layer),
                Value = Matrix(WeightKind.Value, layer),
                Output = Matrix(WeightKind.Output, layer),
                Gate = Matrix(WeightKind.Gate, layer),
                Up = Matrix(WeightKind.Up, layer),
                Down = Matrix(WeightKind.Down, layer),
            };
        }
    }

    private long Check(WeightKind kind, int layer)
    {
        var name = _name(kind, layer);
        var (rows, columns) = _shape.SizeOf(kind);
        if (rows == 0) return 0;
        var tensor = Weight(kind, layer);
        if (tensor == null)
        {
            if (kind == WeightKind.Head && _shape.TiedEmbedding) return 0;
            Throw.BadFile(_catalog.Path, $"{name}.weight", "no such tensor", $"one of {TensorEntry.TextOf(Expected(rows, columns))}");
        }
        Check(tensor, Expected(rows, columns));
        if (columns == 0) return FloatsFor(tensor);
        if (kind == WeightKind.Head && _shape.TiedEmbedding) CheckTied(tensor);
        if (!HasBias(kind)) return 0;
        var bias = _catalog.Find($"{name}.bias");
        if (bias == null)
        {
            if (_shape.Architecture == "qwen2" && kind is WeightKind.Query or WeightKind.Key or WeightKind.Value)
                Throw.BadFile(_catalog.Path, $"{name}.bias", "no such tensor", $"one of [{rows}] (qwen2)");
            return 0;
        }
        Check(bias, [rows]);
        return FloatsFor(bias);
    }

    private void Check(TensorEntry tensor, long[] expected)
    {
        _catalog.Use(tensor);
        var same = tensor.Shape.Count == expected.Length;
        for (var i = 0; same && i < expected.Length; i++) same = tensor.Shape[i] == expected[i];
        if (!same) Throw.BadFile(tensor.Path, tensor.Name, $"shape {tensor.ShapeText}", TensorEntry.TextOf(expected));
        if (tensor.Type == null) Throw.NotSupported(tensor.Path, $"{tensor.Name}: element type {tensor.TypeName}");
    }

    /// <summary>A tied head that is stored all the same must be the embedding; else no one can say which of the two is meant.</summary>
    private void CheckTied(TensorEntry head)
    {
        var embedding = Weight(WeightKind.Embedding, 0)!;
        if (ReferenceEquals(head, embedding)) return;
        var same = head.ByteCount == embedding.ByteCount && head.Type == embedding.Type;
        for (var at = 0L; same && at < head.ByteCount; at += int.MaxValue)
        {
            var bytes = (int)Math.Min(int.MaxValue, head.ByteCount - at);
            same = new ReadOnlySpan<byte>(head.Data + at, bytes).SequenceEqual(new ReadOnlySpan<byte>(embedding.Data + at, bytes));
        }
        if (!same) Throw.BadFile(head.Path, head.Name, "other numbers than in the embedding, to which it is tied", "the same, or tie_word_embeddings to be false");
    }

    /// <summary>The tensor of a place. A tied embedding may be stored as the head only.</summary>
    private TensorEntry? Weight(WeightKind kind, int layer)
    {
        var tensor = _catalog.Find($"{_name(kind, layer)}.weight");
        return tensor == null && kind == WeightKind.Embedding && _shape.TiedEmbedding ? _catalog.Find($"{_name(WeightKind.Head, 0)}.weight") : tensor;
    }

    private Linear Matrix(WeightKind kind, int layer)
    {
        var tensor = Weight(kind, layer)!;
        var bias = HasBias(kind) ? _catalog.Find($"{_name(kind, layer)}.bias") : null;
        return new Linear
        {
            Weights = tensor.Data,
            Bias = bias == null ? null : Decoded(bias),
            Rows = (int)tensor.Shape[0],
            Columns = (int)tensor.Shape[1],
            Type = tensor.Type!.Value,
        };
    }

    private float* Vector(WeightKind kind, int layer) => Decoded(Weight(kind, layer)!);

    private float* Decoded(TensorEntry vector)
    {
        if (FloatsFor(vector) == 0) return (float*)vector.Data;
        var values = _free;
        Conversions.Decode(vector.Type!.Value, vector.Data, values, vector.ElementCount);
        _free += FloatsFor(vector);
        return values;
    }

    private static long FloatsFor(TensorEntry vector)
    {
        if (vector.Type == ElementType.F32 && (nuint)vector.Data % sizeof(float) == 0) return 0;
        return (vector.ElementCount + VectorStep - 1) / VectorStep * VectorStep;
    }

    private static long[] Expected(int rows, int columns) => columns == 0 ? [rows] : [rows, columns];

    private static bool HasBias(WeightKind kind) => kind >= WeightKind.Query;
}
