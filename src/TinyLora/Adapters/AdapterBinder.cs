using TinyLora.Errors;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Checks an adapter against a model and lays it out for the kernels: A stacked by input, B in panels of eight rows.</summary>
internal sealed unsafe class AdapterBinder
{
    private const int Alignment = 64;
    private const int PanelRows = 8;
    private const int PlaceCount = 4;
    private const int ProjectionCount = 7;

    private readonly AdapterContent _content;
    private readonly ModelShape _shape;
    // [LayerCount, ProjectionCount], null where the adapter leaves a projection alone.
    private readonly LoraPair?[] _pairs;
    private LoraPair? _head;

    private AdapterBinder(AdapterContent content, ModelWeights weights)
    {
        _content = content;
        _shape = weights.Shape;
        _pairs = new LoraPair?[_shape.LayerCount * ProjectionCount];
        Check(weights);
    }

    /// <summary>Whether every tensor of an adapter has its place in a model.</summary>
    /// <exception cref="InvalidDataException">It has not: path, tensor, found, expected.</exception>
    public static void Check(AdapterContent content, ModelWeights weights) => _ = new AdapterBinder(content, weights);

    /// <param name="adapter">Whose content it is.</param>
    /// <param name="content">What is laid out; it is copied.</param>
    /// <param name="weights">The model.</param>
    /// <param name="findKernel">The number of the kernel for a matrix A: type, rows (the stacked rank), columns.</param>
    /// <exception cref="InvalidDataException">The adapter does not fit the model: path, tensor, found, expected.</exception>
    public static BoundAdapter Bind(LoraAdapter adapter, AdapterContent content, ModelWeights weights, Func<ElementType, int, int, int> findKernel)
    {
        var binder = new AdapterBinder(content, weights);
        var sites = new LoraSite[binder._shape.LayerCount * PlaceCount + 1];
        var bytes = binder.LayOut(sites, null, findKernel, out var maxRank);
        var memory = new AlignedBuffer(bytes);
        binder.LayOut(sites, memory.Pointer, findKernel, out _);
        var parts = PartBinder.Bind(content, weights, sites, findKernel);
        return new BoundAdapter(adapter, sites, maxRank, parts, memory);
    }

    private void Check(ModelWeights weights)
    {
        _content.CheckPairs(_shape);
        foreach (var pair in _content.PairsFor(_shape))
        {
            if (pair.Kind == WeightKind.Head) _head = pair;
            if (pair.Kind >= WeightKind.Query) _pairs[pair.Layer * ProjectionCount + (pair.Kind - WeightKind.Query)] = pair;
        }
        PartBinder.Check(_content, weights);
        // Last, because it may read all weights.
        if (_content.BaseHash is { } expected && !_content.AllowsOtherBase && weights.Hash(expected.Kind) is var found && found != expected)
            Throw.BadFile(_content.Path, ModelHash.Key, $"{found} of {Path.GetFileName(weights.Path)}", $"{expected}, its own base (AllowsOtherBase, or --allow-other-base, puts it on another)");
    }

    /// <summary>Fills the sites and, where memory is given, the matrices.</summary>
    /// <returns>The bytes that the matrices take.</returns>
    private long LayOut(LoraSite[] sites, byte* memory, Func<ElementType, int, int, int> findKernel, out int maxRank)
    {
        var at = 0L;
        maxRank = 0;
        for (var layer = 0; layer < _shape.LayerCount; layer++)
        {
            var first = layer * ProjectionCount;
            LayOut(ref sites[PlaceCount * layer + (int)LoraPlace.Attention], memory, ref at, findKernel, _pairs[first], _pairs[first + 1], _pairs[first + 2]);
            LayOut(ref sites[PlaceCount * layer + (int)LoraPlace.Output], memory, ref at, findKernel, _pairs[first + 3], null, null);
            LayOut(ref sites[PlaceCount * layer + (int)LoraPlace.Mlp], memory, ref at, findKernel, _pairs[first + 4], _pairs[first + 5], null);
            LayOut(ref sites[PlaceCount * layer + (int)LoraPlace.Down], memory, ref at, findKernel, _pairs[first + 6], null, null);
            for (var place = 0; place < PlaceCount; place++) maxRank = Math.Max(maxRank, sites[PlaceCount * layer + place].Rank);
        }
        LayOut(ref sites[^1], memory, ref at, findKernel, _head, null, null);
        maxRank = Math.Max(maxRank, sites[^1].Rank);
        return at;
    }

    private void LayOut(ref LoraSite site, byte* memory, ref long at, Func<ElementType, int, int, int> findKernel, LoraPair? first, LoraPair? second, LoraPair? third)
    {
        site = default;
        if ((first ?? second ?? third) is not { } any) return;
        var rank = 0L;
        site.Type = any.A.Type;
        foreach (var pair in (ReadOnlySpan<LoraPair?>)[first, second, third])
        {
            if (pair == null) continue;
            rank += pair.Rank;
            if (pair.A.Type != site.Type) site.Type = ElementType.F32;
        }
        if (rank > int.MaxValue) Throw.BadFile(_content.Path, any.A.Tensor, $"a rank of {rank} with its neighbours", $"at most {int.MaxValue}");
        site.Rank = (int)rank;
        site.Columns = any.A.Columns;
        site.A = memory + at;
        var bytes = site.Type.ByteCount(rank * site.Columns);
        at = checked(at + bytes + Alignment - 1) & -Alignment;
        var offset = 0;
        LayOut(ref site.First, site, memory, ref at, ref offset, first);
        LayOut(ref site.Second, site, memory, ref at, ref offset, second);
        LayOut(ref site.Third, site, memory, ref at, ref offset, third);
        if (memory != null) site.Kernel = findKernel(site.Type, site.Rank, site.Columns);
    }

    private void LayOut(ref LoraProjection projection, in LoraSite site, byte* memory, ref long at, ref int offset, LoraPair? pair)
    {
        if (pair == null) return;
        projection.Type = pair.B.Type;
        projection.Rank = pair.Rank;
        projection.Offset = offset;
        projection.Scaling = pair.Scaling;
        projection.B = memory + at;
        if (memory != null)
        {
            Stack(pair.A, site, offset);
            Panel(pair, projection.B);
        }
        offset += pair.Rank;
        var panels = ((long)pair.B.Rows + PanelRows - 1) / PanelRows;
        var bytes = pair.B.Type.ByteCount(checked(panels * PanelRows * pair.Rank));
        at = checked(at + bytes + Alignment - 1) & -Alignment;
    }

    private static void Stack(LoraMatrix a, in LoraSite site, int offset)
    {
        var to = site.A + site.Type.ByteCount((long)offset * site.Columns);
        if (a.Type == site.Type) Buffer.MemoryCopy(a.Data, to, a.Bytes, a.Bytes);
        else Conversions.Decode(a.Type, a.Data, (float*)to, a.Count);
    }

    /// <summary>[Rows, Rank] to [Rows / 8][Rank][8].</summary>
    private void Panel(LoraPair pair, byte* to)
    {
        var (rank, size) = ((nint)pair.Rank, pair.B.Type.BlockBytes());
        for (nint row = 0; row < pair.B.Rows; row++)
        {
            var from = pair.B.Data + _content.SourceRow(pair.Kind, (int)row, _shape.RotaryLayout, _shape.HeadSize) * rank * size;
            var at = row / PanelRows * rank * PanelRows + row % PanelRows;
            if (size == sizeof(float))
                for (nint j = 0; j < rank; j++) ((float*)to)[at + j * PanelRows] = ((float*)from)[j];
            else
                for (nint j = 0; j < rank; j++) ((ushort*)to)[at + j * PanelRows] = ((ushort*)from)[j];
        }
    }
}
