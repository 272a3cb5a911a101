using TinyLora.Errors;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Checks what an adapter holds beside its A and B against a model, and lays it out: vectors as float32 in the model's order of rows.</summary>
internal sealed unsafe class PartBinder
{
    private const int ChunkFloats = 1 << 16;
    private const int ProjectionCount = 7;

    private readonly AdapterContent _content;
    private readonly ModelWeights _weights;
    private readonly ModelShape _shape;
    private readonly List<AlignedBuffer> _buffers = [];
    private float* _free;
    private long _left;

    private PartBinder(AdapterContent content, ModelWeights weights)
    {
        _content = content;
        _weights = weights;
        _shape = weights.Shape;
    }

    /// <exception cref="InvalidDataException">A tensor has no place in the model.</exception>
    public static void Check(AdapterContent content, ModelWeights weights)
    {
        var binder = new PartBinder(content, weights);
        foreach (var tensor in content.Others) binder.Check(tensor);
        if (content.SavedModules.Count > 0) binder.CheckSaved();
        binder.CheckBiases();
        foreach (var token in content.InvocationTokens)
            if ((uint)token >= (uint)weights.Shape.VocabularySize) Throw.BadFile(content.Path, "invocation tokens", $"{token}", $"0 to {weights.Shape.VocabularySize - 1}, as the model has");
    }

    /// <summary>Lays out all parts, checked before; the sites hold A and B already.</summary>
    public static BoundParts Bind(AdapterContent content, ModelWeights weights, LoraSite[] sites, Func<ElementType, int, int, int> findKernel)
    {
        var binder = new PartBinder(content, weights);
        var parts = new BoundParts();
        foreach (var pair in content.PairsFor(weights.Shape))
        {
            if (pair.Kind == WeightKind.Embedding) binder.BindEmbedding(parts, pair);
            else binder.BindVectors(sites, pair);
            if (pair.Kind == WeightKind.Head) parts.Changes |= AdapterChanges.Head;
        }
        foreach (var tensor in content.Others)
            if (tensor.Replaces) binder.BindReplacement(parts, tensor, findKernel);
        parts.Memory = [.. binder._buffers];
        return parts;
    }

    private void Check(AdapterTensor tensor)
    {
        var matrix = tensor.Matrix;
        if (WeightNames.IsOfLayer(tensor.Kind) && tensor.Layer >= _shape.LayerCount) Bad(matrix, $"layer {tensor.Layer}", $"0 to {_shape.LayerCount - 1}");
        var isMatrix = WeightNames.IsMatrix(tensor.Kind) && tensor.Part is AdapterPart.Weight or AdapterPart.TokenRows or AdapterPart.BaseCopy;
        var size = tensor.Kind switch
        {
            WeightKind.FinalNorm or WeightKind.AttentionNorm or WeightKind.MlpNorm => _shape.HiddenSize,
            WeightKind.QueryNorm or WeightKind.KeyNorm => _shape.HasQueryKeyNorm ? _shape.HeadSize : 0,
            // Its magnitudes are those of columns.
            WeightKind.Embedding => _shape.HiddenSize,
            _ => isMatrix ? LinearOf(_weights, tensor.Kind, tensor.Layer).Columns : LinearOf(_weights, tensor.Kind, tensor.Layer).Rows,
        };
        if (size == 0) Bad(matrix, "a norm of heads", "none, as the model has none");
        if (matrix.Columns != size) Bad(matrix, $"{matrix.Columns} numbers", $"{size}");
        if (isMatrix && tensor.Part != AdapterPart.TokenRows && LinearOf(_weights, tensor.Kind, tensor.Layer).Rows is var rows && matrix.Rows != rows) Bad(matrix, $"{matrix.Rows} rows", $"{rows}, as the model has");
        if (tensor.Part == AdapterPart.Bias && LinearOf(_weights, tensor.Kind, tensor.Layer) is { Bias: null }) Bad(matrix, "a bias", "none, as the model has none there");
        if (tensor.Part == AdapterPart.BaseCopy) CheckCopy(matrix, LinearOf(_weights, tensor.Kind, 0));
        if (tensor.Part != AdapterPart.TokenRows) return;
        if (tensor.Kind == WeightKind.Embedding && _content.ActsOn(tensor, WeightKind.Head, 0, _shape) && _content.Find(AdapterPart.Weight, WeightKind.Head, 0) != null)
            Bad(matrix, "rows of the embedding, which are the tied head's too, beside a whole head", "one of the two, or trainable_token_indices that name lm_head");
        var seen = new HashSet<int>();
        foreach (var token in tensor.Tokens)
        {
            if (token >= _shape.VocabularySize) Bad(matrix, $"a row for token {token}", $"0 to {_shape.VocabularySize - 1}");
            if (!seen.Add(token)) Bad(matrix, $"two rows for token {token}", "one");
        }
    }

    /// <summary>modules_to_save names modules by the end of their names: each of the model's that it so names must be in the file.</summary>
    private void CheckSaved()
    {
        foreach (var kind in WeightNames.Kinds)
        {
            if (kind is WeightKind.QueryNorm or WeightKind.KeyNorm && !_shape.HasQueryKeyNorm) continue;
            for (var layer = 0; layer < (WeightNames.IsOfLayer(kind) ? _shape.LayerCount : 1); layer++)
            {
                var module = ModuleName.Of(kind, layer);
                if (AdapterContent.Saves(_content.SavedModules, module) && _content.Find(AdapterPart.Weight, kind, layer) == null)
                    Throw.BadFile(_content.Path, module, "no such tensor", "one, as modules_to_save says");
            }
        }
    }

    /// <summary>What <c>bias</c> promises, and what whole projections have, must be in the file for each bias of the model.</summary>
    private void CheckBiases()
    {
        // Most versions of PEFT lose all biases of lora_only (huggingface/peft#3306) and load such files with the base's.
        var promised = _content.Biases == TrainedBiases.OfLora && !_content.Others.Any(tensor => tensor.Part == AdapterPart.Bias) ? TrainedBiases.None : _content.Biases;
        var hasLora = new HashSet<(WeightKind, int)>(_content.Pairs.Select(pair => (pair.Kind, pair.Layer)));
        for (var layer = 0; layer < _shape.LayerCount; layer++)
            for (var kind = WeightKind.Query; kind <= WeightKind.Down; kind++)
            {
                if (LinearOf(_weights, kind, layer) is { Bias: null } || _content.Find(AdapterPart.Bias, kind, layer) != null) continue;
                var isPromised = promised == TrainedBiases.All || (promised == TrainedBiases.OfLora && hasLora.Contains((kind, layer)));
                if (isPromised || _content.Find(AdapterPart.Weight, kind, layer) != null)
                    Throw.BadFile(_content.Path, $"{ModuleName.Of(kind, layer)}.bias", "no such tensor", isPromised ? "one, as bias says" : "one, as the saved module of the model has");
            }
    }

    /// <summary>A copy of the base that is stored beside LoRA on it must be this base's, up to the rounding of the base's own format.</summary>
    private void CheckCopy(LoraMatrix copy, in Linear w)
    {
        using var memory = AlignedBuffer.OfFloats(2L * w.Columns);
        var mine = memory.Floats;
        var theirs = mine + w.Columns;
        double square = 0, distance = 0;
        for (nint row = 0; row < w.Rows; row++)
        {
            Conversions.Decode(w.Type, w.Weights + row * (nint)w.Type.ByteCount(w.Columns), mine, w.Columns);
            Conversions.Decode(copy.Type, copy.Data + row * (nint)copy.Type.ByteCount(copy.Columns), theirs, copy.Columns);
            for (var k = 0; k < w.Columns; k++)
            {
                square += (double)mine[k] * mine[k];
                distance += ((double)mine[k] - theirs[k]) * ((double)mine[k] - theirs[k]);
            }
        }
        // Relative root mean squares: four bits err by about 0.1, half precision by 0.003 at most, another model by 1.
        var allowed = w.Type.IsQuantized() ? 0.2 : w.Type != ElementType.F32 || copy.Type != ElementType.F32 ? 0.01 : 1e-6;
        if (!(distance <= allowed * allowed * square)) Bad(copy, "a copy of another base", "the model's own numbers");
    }

    private void BindVectors(LoraSite[] sites, LoraPair pair)
    {
        var bias = _content.Find(AdapterPart.BiasOfB, pair.Kind, pair.Layer);
        var magnitude = _content.Find(AdapterPart.Magnitude, pair.Kind, pair.Layer);
        if (bias == null && magnitude == null) return;
        ref readonly var w = ref LinearOf(_weights, pair.Kind, pair.Layer);
        var sources = Sources(pair.Kind, w.Rows);
        var vectors = (ProjectionVectors*)Floats(sizeof(ProjectionVectors) / sizeof(float));
        vectors->BaseBias = w.Bias;
        if (bias != null) vectors->BiasOfB = Vector(bias.Matrix, sources);
        if (magnitude != null)
        {
            vectors->Magnitude = Vector(magnitude.Matrix, sources);
            vectors->Terms = Terms(w.Rows);
            DoraGain.OfRows(w, pair, sources, vectors->Terms);
        }
        ProjectionOf(sites, pair.Kind, pair.Layer).Vectors = vectors;
    }

    private ref LoraProjection ProjectionOf(LoraSite[] sites, WeightKind kind, int layer)
    {
        if (kind == WeightKind.Head) return ref sites[^1].First;
        ref var site = ref sites[4 * layer + (int)PlaceOf(kind)];
        switch (kind)
        {
            case WeightKind.Key or WeightKind.Up: return ref site.Second;
            case WeightKind.Value: return ref site.Third;
            default: return ref site.First;
        }
    }

    private static LoraPlace PlaceOf(WeightKind kind) => kind switch
    {
        WeightKind.Query or WeightKind.Key or WeightKind.Value => LoraPlace.Attention,
        WeightKind.Output => LoraPlace.Output,
        WeightKind.Gate or WeightKind.Up => LoraPlace.Mlp,
        _ => LoraPlace.Down,
    };

    private void BindEmbedding(BoundParts parts, LoraPair pair)
    {
        var (rank, vocabulary, hidden) = (pair.Rank, pair.A.Columns, pair.B.Rows);
        ref var lora = ref parts.EmbeddingLora;
        lora.Rank = rank;
        lora.Scaling = pair.Scaling;
        lora.A = Turned(pair.A);
        lora.B = Turned(pair.B);
        parts.Changes |= AdapterChanges.Embedding;
        if (_content.Find(AdapterPart.Magnitude, WeightKind.Embedding, 0) is not { } magnitude) return;
        lora.Magnitude = Vector(magnitude.Matrix, Sources(WeightKind.Embedding, hidden));
        lora.Terms = Terms(hidden);
        DoraGain.OfColumns(_weights.Embedding, lora);
    }

    private void BindReplacement(BoundParts parts, AdapterTensor tensor, Func<ElementType, int, int, int> findKernel)
    {
        var matrix = tensor.Matrix;
        switch (tensor.Part)
        {
            case AdapterPart.Bias:
                ref readonly var w = ref LinearOf(_weights, tensor.Kind, tensor.Layer);
                var shift = Vector(matrix, Sources(tensor.Kind, w.Rows));
                for (var r = 0; r < w.Rows; r++) shift[r] -= w.Bias[r];
                parts.Shifts ??= new nint[ProjectionCount * _shape.LayerCount + 1];
                parts.Shifts[BoundParts.NumberOf(tensor.Kind, tensor.Layer, _shape.LayerCount)] = (nint)shift;
                parts.Changes |= AdapterChanges.Biases;
                break;
            case AdapterPart.TokenRows:
                BindRows(ref tensor.Kind == WeightKind.Head ? ref parts.HeadRows : ref parts.EmbeddingRows, tensor);
                if (tensor.Kind == WeightKind.Embedding && _content.ActsOn(tensor, WeightKind.Head, 0, _shape)) parts.HeadRows = parts.EmbeddingRows;
                if (parts.HeadRows.Count > 0) parts.Changes |= AdapterChanges.Head;
                if (parts.EmbeddingRows.Count > 0) parts.Changes |= AdapterChanges.Embedding;
                break;
            case AdapterPart.Weight when tensor.Kind == WeightKind.Embedding:
                parts.Embedding = Matrix(tensor);
                parts.Changes |= AdapterChanges.Embedding;
                break;
            case AdapterPart.Weight when WeightNames.IsMatrix(tensor.Kind):
                var own = Matrix(tensor);
                own.Kernel = findKernel(matrix.Type, matrix.Rows, matrix.Columns);
                parts.Matrices ??= new Linear[ProjectionCount * _shape.LayerCount + 1];
                parts.Matrices[BoundParts.NumberOf(tensor.Kind, tensor.Layer, _shape.LayerCount)] = own;
                parts.Changes |= tensor.Kind == WeightKind.Head ? AdapterChanges.Head : AdapterChanges.Matrices;
                break;
            default:
                parts.Norms ??= new nint[BoundParts.NormsOfLayer * _shape.LayerCount + 1];
                parts.Norms[tensor.Kind == WeightKind.FinalNorm ? ^1 : BoundParts.NormsOfLayer * tensor.Layer + (tensor.Kind - WeightKind.AttentionNorm)] =
                    (nint)Vector(matrix, Sources(tensor.Kind, matrix.Columns));
                parts.Changes |= AdapterChanges.Norms;
                break;
        }
    }

    /// <summary>A copy, since a session may hold what is bound after the adapter is disposed, with rows in the model's order and the base's bias.</summary>
    private Linear Matrix(AdapterTensor tensor)
    {
        var matrix = tensor.Matrix;
        var bytes = matrix.Type.ByteCount(matrix.Columns);
        var to = (byte*)Floats((matrix.Bytes + sizeof(float) - 1) / sizeof(float));
        var sources = Sources(tensor.Kind, matrix.Rows);
        for (var row = 0; row < matrix.Rows; row++) Buffer.MemoryCopy(matrix.Data + sources[row] * bytes, to + row * bytes, bytes, bytes);
        return new Linear { Weights = to, Bias = LinearOf(_weights, tensor.Kind, tensor.Layer).Bias, Rows = matrix.Rows, Columns = matrix.Columns, Type = matrix.Type };
    }

    private void BindRows(ref TokenRows rows, AdapterTensor tensor)
    {
        var matrix = tensor.Matrix;
        var order = new int[matrix.Rows];
        for (var i = 0; i < order.Length; i++) order[i] = i;
        var tokens = (int[])tensor.Tokens.Clone();
        Array.Sort(tokens, order);
        rows.Count = matrix.Rows;
        rows.Tokens = (int*)Floats(matrix.Rows);
        rows.Rows = Floats(matrix.Count);
        for (var i = 0; i < order.Length; i++)
        {
            rows.Tokens[i] = tokens[i];
            Conversions.Decode(matrix.Type, matrix.Data + order[i] * matrix.Type.ByteCount(matrix.Columns), rows.Rows + (nint)i * matrix.Columns, matrix.Columns);
        }
    }

    /// <summary>The row of the file for each row of the model.</summary>
    private int[] Sources(WeightKind kind, int rows)
    {
        var sources = new int[rows];
        for (var row = 0; row < rows; row++) sources[row] = _content.SourceRow(kind, row, _shape.RotaryLayout, _shape.HeadSize);
        return sources;
    }

    private float* Vector(LoraMatrix matrix, int[] sources)
    {
        var vector = Floats(matrix.Columns);
        var size = matrix.Type.BlockBytes();
        for (var i = 0; i < sources.Length; i++) Conversions.DecodeBlock(matrix.Type, matrix.Data + (nint)sources[i] * size, vector + i);
        return vector;
    }

    private float* Turned(LoraMatrix matrix)
    {
        var turned = Floats(matrix.Count);
        var size = matrix.Type.BlockBytes();
        for (nint row = 0; row < matrix.Rows; row++)
            for (nint column = 0; column < matrix.Columns; column++)
                Conversions.DecodeBlock(matrix.Type, matrix.Data + (row * matrix.Columns + column) * size, turned + column * matrix.Rows + row);
        return turned;
    }

    private GainTerms Terms(int rows) => new() { Base = Floats(rows), Cross = Floats(rows), Delta = Floats(rows) };

    /// <summary>Zeroed floats with room for a multiple of 16.</summary>
    private float* Floats(long count)
    {
        count = (count + 15) & ~15L;
        if (count > _left)
        {
            var buffer = AlignedBuffer.OfFloats(Math.Max(count, ChunkFloats));
            _buffers.Add(buffer);
            _free = buffer.Floats;
            _left = buffer.Bytes / sizeof(float);
        }
        var floats = _free;
        _free += count;
        _left -= count;
        return floats;
    }

    private void Bad(LoraMatrix matrix, string found, string expected) => Throw.BadFile(_content.Path, matrix.Tensor, found, expected);

    /// <summary>The base's matrix of a kind.</summary>
    public static ref readonly Linear LinearOf(ModelWeights weights, WeightKind kind, int layer)
    {
        switch (kind)
        {
            case WeightKind.Embedding: return ref weights.Embedding;
            case WeightKind.Head: return ref weights.Head;
            case WeightKind.Query: return ref weights.Layers[layer].Query;
            case WeightKind.Key: return ref weights.Layers[layer].Key;
            case WeightKind.Value: return ref weights.Layers[layer].Value;
            case WeightKind.Output: return ref weights.Layers[layer].Output;
            case WeightKind.Gate: return ref weights.Layers[layer].Gate;
            case WeightKind.Up: return ref weights.Layers[layer].Up;
            case WeightKind.Down: return ref weights.Layers[layer].Down;
            default: throw new ArgumentOutOfRangeException(nameof(kind), kind, "This is no matrix.");
        }
    }
}
