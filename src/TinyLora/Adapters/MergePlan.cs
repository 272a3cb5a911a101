using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// What a merged model consists of: the base's tensors, those that adapters change, and new ones: where a head is tied to the embedding and adapters part the two, a head of its own; where
/// adapters add a bias to a projection that has none, that bias.
/// </summary>
internal sealed class MergePlan
{
    private readonly ModelWeights _weights;
    private readonly ElementType? _type;
    // Places that change, and for messages the file and the tensor that change them.
    private readonly Dictionary<TensorPlace, (string Path, string Tensor)> _changes = [];
    private readonly Dictionary<TensorPlace, TensorEntry> _stored = [];

    /// <param name="weights">The base.</param>
    /// <param name="adapters">What is merged into it, checked against it.</param>
    /// <param name="type">The type of all matrices, and of a folder's norms and biases; null: each in its own.</param>
    /// <exception cref="InvalidDataException">A change has no place in the base's form, or a row is no whole number of blocks of the type.</exception>
    public MergePlan(ModelWeights weights, IEnumerable<AdapterContent> adapters, ElementType? type)
    {
        _weights = weights;
        _type = type;
        foreach (var content in adapters) Collect(content);
        // Tied by the configuration, or one tensor under two names.
        Unties &= IsShared;
        foreach (var tensor in weights.Tensors)
        {
            var place = PlaceOf(tensor);
            if (place is { } known) _stored[known] = tensor;
            Add(tensor.Name, tensor, [.. tensor.Shape], tensor.Path, place);
        }
        if (Unties)
            foreach (var kind in (ReadOnlySpan<WeightKind>)[WeightKind.Embedding, WeightKind.Head])
                if (!_stored.ContainsKey(new TensorPlace(kind, 0, false))) AddHalfOfPair(kind);
        foreach (var (place, cause) in _changes)
            if (!_stored.ContainsKey(place)) AddMissing(place, cause.Path, cause.Tensor);
    }

    public List<PlannedTensor> Tensors { get; } = [];

    /// <summary>Whether the head is no longer the embedding.</summary>
    public bool Unties { get; private set; }

    private unsafe bool IsShared => _weights.Head.Weights == _weights.Embedding.Weights;

    private void Collect(AdapterContent content)
    {
        var shape = _weights.Shape;
        foreach (var pair in content.PairsFor(shape))
        {
            Unties |= IsOfPair(pair.Kind);
            _changes.TryAdd(new TensorPlace(pair.Kind, pair.Layer, false), (content.Path, pair.A.Tensor));
        }
        foreach (var tensor in content.Others)
        {
            if (!tensor.IsApplied) continue;
            var isOfBoth = tensor.Kind == WeightKind.Embedding && content.ActsOn(tensor, WeightKind.Head, 0, shape);
            Unties |= IsOfPair(tensor.Kind) && !isOfBoth;
            var cause = (content.Path, tensor.Matrix.Tensor);
            _changes.TryAdd(new TensorPlace(tensor.Kind, tensor.Layer, tensor.Part is AdapterPart.Bias or AdapterPart.BiasOfB), cause);
            if (isOfBoth) _changes.TryAdd(new TensorPlace(WeightKind.Head, 0, false), cause);
        }
    }

    private void Add(string name, TensorEntry? source, long[] shape, string file, TensorPlace? place)
    {
        // Quantised types are for matrices; a GGUF's norms and biases stay what they are, float32.
        var type = _type != null && place != null && (shape.Length == 2 || _weights.Gguf == null) ? _type : source == null ? ElementType.F32 : source.Type;
        if (type is { } known && shape.Length > 0 && shape[^1] % known.BlockSize() != 0)
            Throw.BadFile(file, name, $"rows of {shape[^1]} numbers", $"a multiple of {known.BlockSize()}, the block of {known}: choose another type");
        var isChanged = place is { } there && _changes.ContainsKey(there);
        // Where adapters give both sides of a tied pair the same rows, each that is stored gets them.
        Tensors.Add(new PlannedTensor(name, source, type, shape, file, place, isChanged));
    }

    /// <summary>The side of a tied pair that is not stored, beginning as the one that is.</summary>
    private void AddHalfOfPair(WeightKind kind)
    {
        var other = _stored[new TensorPlace(kind == WeightKind.Head ? WeightKind.Embedding : WeightKind.Head, 0, false)];
        var place = new TensorPlace(kind, 0, false);
        _stored.Add(place, other);
        Add(Name(place), other, [.. other.Shape], other.Path, place);
    }

    private void AddMissing(TensorPlace place, string path, string tensor)
    {
        // A pair that stays tied may be stored under either name.
        if (!place.IsBias && IsOfPair(place.Kind) && IsShared) return;
        // llama.cpp reads a bias at each of the seven projections of this architecture, and so does this runtime; other forms have none, or all or none.
        if (!place.IsBias || place.Kind < WeightKind.Query || _weights.Gguf == null || _weights.Shape.Architecture != "llama")
            Throw.BadFile(path, tensor, $"a change of {Name(place)}, which {_weights.Path} does not have", "a base that has it (a GGUF of the llama architecture may be given biases): use this adapter beside its base, unmerged");
        Add(Name(place), null, [PartBinder.LinearOf(_weights, place.Kind, place.Layer).Rows], _weights.Path, place);
    }

    /// <summary>The place of a tensor by its own name, or by one under which the file's metadata list it too.</summary>
    private TensorPlace? PlaceOf(TensorEntry tensor)
    {
        if (PlaceOf(tensor.Name) is { } place) return place;
        foreach (var (name, stored) in _weights.Metadata)
            if (stored == tensor.Name && PlaceOf(name) is { } other) return other;
        return null;
    }

    private static TensorPlace? PlaceOf(string name)
    {
        var dot = name.LastIndexOf('.');
        if (dot < 0 || name[dot..] is not (".weight" or ".bias") || !WeightNames.TryParse(name.AsSpan(0, dot), out var kind, out var layer)) return null;
        return new TensorPlace(kind, layer, name[dot..] == ".bias");
    }

    private string Name(TensorPlace place) =>
        (_weights.Folder == null ? WeightNames.Gguf(place.Kind, place.Layer) : WeightNames.HuggingFace(place.Kind, place.Layer)) + (place.IsBias ? ".bias" : ".weight");

    private static bool IsOfPair(WeightKind kind) => kind is WeightKind.Embedding or WeightKind.Head;
}
