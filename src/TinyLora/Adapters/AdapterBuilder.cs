using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Collects the A and B of a file, checks that they belong together, and copies them out of it.</summary>
internal sealed unsafe class AdapterBuilder(string path)
{
    /// <summary>The scaling of a pair.</summary>
    /// <param name="module">The module's name in the file.</param>
    /// <param name="a">Its A.</param>
    /// <param name="rank">Its rank.</param>
    public delegate (double Alpha, float Scaling) ScalingRule(string module, TensorEntry a, int rank);

    private const int Alignment = 64;

    private readonly SortedDictionary<(int Layer, WeightKind Kind), Draft> _drafts = [];
    private readonly SortedDictionary<(int Layer, WeightKind Kind, AdapterPart Part), (TensorEntry Tensor, int[] Tokens)> _others = [];

    /// <summary>Whether the file's A is [In, Rank] and its B [Rank, Out], as mlx-lm writes them.</summary>
    public bool Transposed { get; init; }

    /// <summary>Whether A of the embedding is [VocabularySize, Rank], as llama.cpp writes it.</summary>
    public bool TransposedEmbedding { get; init; }

    /// <exception cref="InvalidDataException">The module is no projection, or has an A already.</exception>
    public void AddA(WeightKind kind, int layer, string module, TensorEntry tensor)
    {
        var draft = DraftOf(kind, layer, module, tensor);
        if (draft.A != null) Throw.BadFile(path, tensor.Name, $"a second A beside {draft.A.Name}", "one for each projection");
        draft.A = tensor;
    }

    /// <exception cref="InvalidDataException">The module is no projection, or has a B already.</exception>
    public void AddB(WeightKind kind, int layer, string module, TensorEntry tensor)
    {
        var draft = DraftOf(kind, layer, module, tensor);
        if (draft.B != null) Throw.BadFile(path, tensor.Name, $"a second B beside {draft.B.Name}", "one for each projection");
        draft.B = tensor;
    }

    /// <summary>Adds what is neither an A nor a B.</summary>
    /// <param name="part">What it is.</param>
    /// <param name="kind">Which of the model's tensors it belongs to.</param>
    /// <param name="layer">Its layer.</param>
    /// <param name="tensor">[n], or [n, m] for weights and rows.</param>
    /// <param name="tokens">The token of each row.</param>
    /// <exception cref="InvalidDataException">There is one already, or its shape or type is wrong.</exception>
    public void Add(AdapterPart part, WeightKind kind, int layer, TensorEntry tensor, int[] tokens)
    {
        if (_others.TryGetValue((layer, kind, part), out var other)) Throw.BadFile(path, tensor.Name, $"a second one beside {other.Tensor.Name}", "one");
        var dimensions = part is AdapterPart.TokenRows or AdapterPart.BaseCopy || (part == AdapterPart.Weight && WeightNames.IsMatrix(kind)) ? 2 : 1;
        Check(tensor, dimensions);
        if (part == AdapterPart.TokenRows && tensor.Shape[0] != tokens.Length) Throw.BadFile(path, tensor.Name, $"{tensor.Shape[0]} rows", $"{tokens.Length}, one for each of trainable_token_indices");
        _others.Add((layer, kind, part), (tensor, tokens));
    }

    /// <summary>Whether one of these is there.</summary>
    public bool Has(AdapterPart part, WeightKind kind, int layer) => _others.ContainsKey((layer, kind, part));

    /// <exception cref="InvalidDataException">One of these parts belongs to a module without LoRA.</exception>
    public void RequirePairs(params ReadOnlySpan<AdapterPart> parts)
    {
        foreach (var ((layer, kind, part), (tensor, _)) in _others)
            if (parts.Contains(part) && !_drafts.ContainsKey((layer, kind))) Throw.BadFile(path, tensor.Name, "a part of LoRA without its A and B", "both");
    }

    /// <summary>The modules with LoRA, by place.</summary>
    public IEnumerable<(WeightKind Kind, int Layer, string Tensor)> Pairs
    {
        get
        {
            foreach (var ((layer, kind), draft) in _drafts) yield return (kind, layer, (draft.A ?? draft.B)!.Name);
        }
    }

    /// <summary>After <see cref="Build"/>, where A and B are transposed: those of the embedding as they act on a head that is tied to it; null without LoRA on it, or with LoRA on a head of its own.</summary>
    public LoraPair? PairOfTiedHead { get; private set; }

    /// <summary>Checks all and copies them.</summary>
    /// <exception cref="InvalidDataException">A half is missing, a shape or type is wrong, or a number is not finite.</exception>
    public LoraPair[] Build(ScalingRule rule, out AdapterTensor[] others, out AlignedBuffer memory)
    {
        if (_drafts.Count == 0) Throw.BadFile(path, "tensors", "none", "A and B of at least one projection");
        var bytes = 0L;
        foreach (var ((_, kind), draft) in _drafts)
        {
            if (draft.A == null) Throw.BadFile(path, draft.B!.Name, "a B without its A", "both");
            if (draft.B == null) Throw.BadFile(path, draft.A.Name, "an A without its B", "both");
            bytes += Room(draft.A) + Room(draft.B);
            draft.Rank = CheckRank(kind, draft.A, draft.B);
            (draft.Alpha, draft.Scaling) = rule(draft.Module, draft.A, draft.Rank);
            if (!float.IsFinite(draft.Scaling)) Throw.BadFile(path, draft.A.Name, $"a scaling of {draft.Scaling}", "a finite number");
        }
        foreach (var (tensor, _) in _others.Values) bytes += Room(tensor);
        var embedding = Transposed && !_drafts.ContainsKey((0, WeightKind.Head)) ? _drafts.GetValueOrDefault((0, WeightKind.Embedding)) : null;
        if (embedding != null) bytes += Room(embedding.A!) + Room(embedding.B!);
        memory = new AlignedBuffer(bytes);
        try
        {
            var pairs = new LoraPair[_drafts.Count];
            var at = memory.Pointer;
            var i = 0;
            foreach (var ((layer, kind), draft) in _drafts)
            {
                var a = Copy(draft.A!, IsTurned(kind), ref at);
                var b = Copy(draft.B!, Transposed, ref at);
                pairs[i++] = new LoraPair(kind, layer, a, b, draft.Alpha, draft.Scaling);
            }
            // E + c A B as a head: x times its rows, c A (B x).
            if (embedding != null) PairOfTiedHead = new LoraPair(WeightKind.Head, 0, Copy(embedding.B!, false, ref at), Copy(embedding.A!, false, ref at), embedding.Alpha, embedding.Scaling);
            others = new AdapterTensor[_others.Count];
            i = 0;
            foreach (var ((layer, kind, part), (tensor, tokens)) in _others) others[i++] = new AdapterTensor(part, kind, layer, Copy(tensor, false, ref at), tokens);
            return pairs;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    private Draft DraftOf(WeightKind kind, int layer, string module, TensorEntry tensor)
    {
        if (!WeightNames.IsMatrix(kind)) Throw.BadFile(path, tensor.Name, "LoRA on a norm", "on a projection, the head or the embedding");
        if (!_drafts.TryGetValue((layer, kind), out var draft)) _drafts.Add((layer, kind), draft = new Draft { Module = module });
        return draft;
    }

    private bool IsTurned(WeightKind kind) => Transposed || (TransposedEmbedding && kind == WeightKind.Embedding);

    private int CheckRank(WeightKind kind, TensorEntry a, TensorEntry b)
    {
        Check(a, 2);
        Check(b, 2);
        var rank = a.Shape[IsTurned(kind) ? 1 : 0];
        var other = b.Shape[Transposed ? 0 : 1];
        if (rank != other) Throw.BadFile(path, b.Name, $"rank {other} (shape {b.ShapeText})", $"rank {rank} as {a.Name} of shape {a.ShapeText} has");
        return (int)rank;
    }

    private void Check(TensorEntry tensor, int dimensions)
    {
        if (tensor.Type == null) Throw.NotSupported(path, $"{tensor.Name}: element type {tensor.TypeName} (F32, F16 and BF16 are)");
        if (tensor.Shape.Count != dimensions) Throw.BadFile(path, tensor.Name, $"shape {tensor.ShapeText}", dimensions == 2 ? "two dimensions" : "one dimension");
        if (tensor.ElementCount == 0) Throw.BadFile(path, tensor.Name, $"shape {tensor.ShapeText}", "a rank of at least 1");
        if (tensor.Shape[0] > int.MaxValue || tensor.Shape[tensor.Shape.Count - 1] > int.MaxValue) Throw.BadFile(path, tensor.Name, $"shape {tensor.ShapeText}", "sizes below 2³¹");
    }

    /// <summary>Bytes that the copy of a tensor takes; block-quantised numbers are widened to float32, which is exact.</summary>
    private static long Room(TensorEntry tensor)
    {
        var type = tensor.Type is { } t && !t.IsQuantized() ? t : ElementType.F32;
        return checked(type.ByteCount(tensor.ElementCount) + Alignment - 1) & -Alignment;
    }

    private LoraMatrix Copy(TensorEntry tensor, bool transpose, ref byte* at)
    {
        var type = tensor.Type!.Value;
        var to = at;
        at += Room(tensor);
        var (rows, columns) = (tensor.Shape.Count == 1 ? 1 : (int)tensor.Shape[0], (int)tensor.Shape[tensor.Shape.Count - 1]);
        if (type.IsQuantized())
        {
            using var decoded = AlignedBuffer.OfFloats(tensor.ElementCount);
            Conversions.Decode(type, tensor.Data, decoded.Floats, tensor.ElementCount);
            if (transpose) Transpose(decoded.Pointer, to, rows, columns, sizeof(float));
            else Buffer.MemoryCopy(decoded.Pointer, to, tensor.ElementCount * sizeof(float), tensor.ElementCount * sizeof(float));
            type = ElementType.F32;
        }
        else if (transpose)
        {
            Transpose(tensor.Data, to, rows, columns, type.BlockBytes());
        }
        else
        {
            Buffer.MemoryCopy(tensor.Data, to, tensor.ByteCount, tensor.ByteCount);
        }
        if (transpose) (rows, columns) = (columns, rows);
        var matrix = new LoraMatrix(tensor.Name, type, rows, columns, to);
        var bad = FiniteNumbers.FirstOther(type, to, matrix.Count);
        if (bad >= 0) Throw.BadFile(path, tensor.Name, $"a number that is not finite at [{bad / columns}, {bad % columns}]", "finite numbers");
        return matrix;
    }

    private static void Transpose(byte* from, byte* to, int rows, int columns, int size)
    {
        for (nint r = 0; r < rows; r++)
            for (nint c = 0; c < columns; c++)
            {
                if (size == sizeof(float)) ((int*)to)[c * rows + r] = System.Runtime.CompilerServices.Unsafe.ReadUnaligned<int>(from + (r * columns + c) * size);
                else ((short*)to)[c * rows + r] = System.Runtime.CompilerServices.Unsafe.ReadUnaligned<short>(from + (r * columns + c) * size);
            }
    }

    private sealed class Draft
    {
        public required string Module { get; init; }
        public TensorEntry? A { get; set; }
        public TensorEntry? B { get; set; }
        public int Rank { get; set; }
        public double Alpha { get; set; }
        public float Scaling { get; set; }
    }
}
