using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Computes the rows of a model's tensors with adapters merged in.</summary>
internal sealed unsafe class TensorMerger
{
    private readonly ModelWeights _weights;
    private readonly List<(AdapterContent Content, float Scale)> _adapters = [];
    // Of the tensor at hand, by adapter: A as float32, or null without LoRA on it.
    private readonly float[]?[] _a;

    public TensorMerger(ModelWeights weights, ReadOnlySpan<LoraAdapter> adapters)
    {
        _weights = weights;
        foreach (var adapter in adapters)
        {
            adapter.CheckFits(weights);
            var (content, scale) = (adapter.Content, adapter.Scale);
            if (scale == 0) continue;
            Check(content);
            _adapters.Add((content, scale));
        }
        _a = new float[]?[_adapters.Count];
    }

    /// <summary>The tensors that change, in the order of the file.</summary>
    /// <exception cref="InvalidDataException">A change has no tensor, or one of a type that cannot be written.</exception>
    public List<(TensorEntry Tensor, TensorPlace Place)> Plan()
    {
        var changes = new List<(TensorEntry, TensorPlace)>();
        var left = new HashSet<TensorPlace>();
        foreach (var (content, _) in _adapters)
        {
            foreach (var pair in content.Pairs) left.Add(new TensorPlace(pair.Kind, pair.Layer, false));
            foreach (var tensor in content.Others)
                if (tensor.IsApplied) left.Add(new TensorPlace(tensor.Kind, tensor.Layer, tensor.Part is AdapterPart.Bias or AdapterPart.BiasOfB));
        }
        foreach (var tensor in _weights.Tensors)
        {
            if (PlaceOf(tensor.Name) is not { } place || !left.Remove(place)) continue;
            if (tensor.Type is not { } type || !BlockEncoder.Knows(type)) Throw.NotSupported(tensor.Path, $"{tensor.Name}: merging into {tensor.TypeName}");
            changes.Add((tensor, place));
        }
        foreach (var place in left) Throw.BadFile(_weights.Path, ModelName(place), "no such tensor", "one for the adapter to be merged into");
        return changes;
    }

    /// <summary>Prepares for the rows of a tensor.</summary>
    public void Begin(TensorPlace place)
    {
        for (var i = 0; i < _a.Length; i++)
        {
            _a[i] = null;
            if (place.IsBias || PairOf(_adapters[i].Content, place) is not { } pair) continue;
            // The embedding's rows are tokens: its A is read by columns.
            var a = new float[pair.A.Count];
            fixed (float* to = a) Conversions.Decode(pair.A.Type, pair.A.Data, to, a.Length);
            _a[i] = a;
        }
    }

    /// <summary>Merges one row in place.</summary>
    public void Row(TensorPlace place, int row, float* w, int columns)
    {
        // DoRA's norms are those of the untouched base.
        var original = new ReadOnlySpan<float>(w, columns).ToArray();
        for (var i = 0; i < _adapters.Count; i++) Replace(_adapters[i].Content, place, row, w, columns);
        for (var i = 0; i < _adapters.Count; i++)
        {
            var (content, scale) = _adapters[i];
            if (place.IsBias) AddBias(content, scale, place, w, columns);
            else if (_a[i] is { } a) Add(content, PairOf(content, place)!, a, scale, row, original, w, columns);
        }
    }

    private void Replace(AdapterContent content, TensorPlace place, int row, float* w, int columns)
    {
        foreach (var tensor in content.Others)
        {
            if (!tensor.Replaces || tensor.Kind != place.Kind || tensor.Layer != place.Layer || tensor.Part == AdapterPart.Bias != place.IsBias) continue;
            var matrix = tensor.Matrix;
            var source = tensor.Part == AdapterPart.TokenRows ? Array.IndexOf(tensor.Tokens, row) : row;
            if (source < 0) continue;
            if (place.IsBias)
                for (var k = 0; k < columns; k++) w[k] = Number(matrix, 0, SourceOf(content, place.Kind, k));
            else
                Conversions.Decode(matrix.Type, matrix.Data + source * (nint)matrix.Type.ByteCount(columns), w, columns);
        }
    }

    private void AddBias(AdapterContent content, float scale, TensorPlace place, float* w, int columns)
    {
        if (Find(content, AdapterPart.BiasOfB, place) is not { } bias) return;
        var factor = scale * PairOf(content, place with { IsBias = false })!.Scaling;
        for (var k = 0; k < columns; k++) w[k] += factor * Number(bias.Matrix, 0, SourceOf(content, place.Kind, k));
    }

    private void Add(AdapterContent content, LoraPair pair, float[] a, float scale, int row, float[] original, float* w, int columns)
    {
        var factor = (double)scale * pair.Scaling;
        var delta = new double[columns];
        var source = SourceOf(content, pair.Kind, row);
        for (var j = 0; j < pair.Rank; j++)
        {
            if (pair.Kind == WeightKind.Embedding)
            {
                var t = factor * a[j * (long)pair.A.Columns + row];
                for (var k = 0; k < columns; k++) delta[k] += t * Number(pair.B, k, j);
                continue;
            }
            var b = factor * Number(pair.B, source, j);
            for (var k = 0; k < columns; k++) delta[k] += b * a[j * (long)columns + k];
        }
        var gain = 1.0;
        if (Find(content, AdapterPart.Magnitude, new TensorPlace(pair.Kind, pair.Layer, false)) is { } magnitude)
        {
            var square = 0.0;
            for (var k = 0; k < columns; k++) square += (original[k] + delta[k]) * (original[k] + delta[k]);
            gain = Number(magnitude.Matrix, 0, source) / Math.Sqrt(square);
        }
        for (var k = 0; k < columns; k++) w[k] = (float)(gain * (w[k] + delta[k]));
    }

    private void Check(AdapterContent content)
    {
        if (content.InvocationTokens.Length > 0) Throw.NotSupported(content.Path, "merging an adapter that invocation tokens switch on");
        foreach (var tensor in content.Others)
        {
            if (tensor is { Part: AdapterPart.Magnitude, Kind: WeightKind.Embedding }) Throw.NotSupported(content.Path, $"{tensor.Matrix.Tensor}: merging DoRA on the embedding");
            if (tensor.IsApplied) CheckTied(content, tensor.Kind, tensor.Part, tensor.Matrix.Tensor);
        }
        foreach (var pair in content.Pairs) CheckTied(content, pair.Kind, null, pair.A.Tensor);
    }

    /// <summary>Rows of tokens change both sides of a tied pair; all else only the one that it names.</summary>
    private void CheckTied(AdapterContent content, WeightKind kind, AdapterPart? part, string tensor)
    {
        if (!_weights.Shape.TiedEmbedding || kind is not (WeightKind.Embedding or WeightKind.Head) || (part == AdapterPart.TokenRows && kind == WeightKind.Embedding)) return;
        Throw.BadFile(content.Path, tensor, "a change of one of two tied matrices", $"a base with a head of its own: in {_weights.Path} it is the embedding, which would change too");
    }

    private TensorPlace? PlaceOf(string name)
    {
        var dot = name.LastIndexOf('.');
        if (dot < 0 || name[dot..] is not (".weight" or ".bias") || !WeightNames.TryParse(name.AsSpan(0, dot), out var kind, out var layer)) return null;
        // A tied model may store its one matrix under either name.
        if (kind == WeightKind.Head && _weights.Shape.TiedEmbedding) kind = WeightKind.Embedding;
        return new TensorPlace(kind, layer, name[dot..] == ".bias");
    }

    private string ModelName(TensorPlace place) =>
        (_weights.Folder == null ? WeightNames.Gguf(place.Kind, place.Layer) : WeightNames.HuggingFace(place.Kind, place.Layer)) + (place.IsBias ? ".bias" : ".weight");

    private int SourceOf(AdapterContent content, WeightKind kind, int row) =>
        kind is WeightKind.Query or WeightKind.Key && content.RowOrder != _weights.Shape.RotaryLayout ? RotaryRows.Source(row, _weights.Shape.HeadSize, content.RowOrder) : row;

    private static LoraPair? PairOf(AdapterContent content, TensorPlace place)
    {
        foreach (var pair in content.Pairs)
            if (pair.Kind == place.Kind && pair.Layer == place.Layer) return pair;
        return null;
    }

    private static AdapterTensor? Find(AdapterContent content, AdapterPart part, TensorPlace place)
    {
        foreach (var tensor in content.Others)
            if (tensor.Part == part && tensor.Kind == place.Kind && tensor.Layer == place.Layer) return tensor;
        return null;
    }

    private static float Number(LoraMatrix matrix, int row, int column)
    {
        float number;
        Conversions.DecodeBlock(matrix.Type, matrix.Data + (row * (nint)matrix.Columns + column) * matrix.Type.BlockBytes(), &number);
        return number;
    }
}
