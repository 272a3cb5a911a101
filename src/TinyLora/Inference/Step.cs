using TinyLora.Adapters;
using TinyLora.Numerics;

namespace TinyLora.Inference;

/// <summary>Consecutive rows of a step that belong to one sequence.</summary>
internal struct Segment
{
    public KvCache Cache;
    public ActiveAdapters Adapters;
    public int FirstRow;
    public int RowCount;
    public int FirstPosition;
    /// <summary>Its logits among those of the step: those of its last rows.</summary>
    public int FirstLogit;
    public int LogitCount;

    /// <summary>The rows at a place.</summary>
    public readonly (int First, int Count) RowsAt(LoraPlace place) => place == LoraPlace.Head ? (FirstLogit, LogitCount) : (FirstRow, RowCount);

    /// <summary>The rows at a place that an adapter sees.</summary>
    public readonly (int First, int Count) RowsOf(int adapter, LoraPlace place)
    {
        var (first, count) = RowsAt(place);
        // An adapter with invocation tokens leaves the rows before them to the base.
        var before = Math.Clamp(Adapters.Start(adapter) - (FirstPosition + RowCount - count), 0, count);
        return (first + before, count - before);
    }
}

/// <summary>What one step computes: rows of tokens in segments, and where the logits of chosen rows go.</summary>
internal sealed unsafe class Step : IDisposable
{
    private readonly AlignedBuffer _tokens = new(Activations.MaxRows * sizeof(int));
    private readonly Segment[] _segments = new Segment[Activations.MaxRows];
    private readonly int[] _logitRows = new int[Activations.MaxRows];
    private readonly byte[] _segmentOfRow = new byte[Activations.MaxRows];

    public int RowCount { get; private set; }
    public int SegmentCount { get; private set; }
    public int LogitCount { get; private set; }
    public bool HasAdapters { get; private set; }
    /// <summary>What its adapters change beside the projections.</summary>
    public AdapterChanges Changes { get; private set; }
    /// <summary>[LogitCount, LogitsStride], room for a multiple of 16 each.</summary>
    public float* Logits { get; set; }
    public nint LogitsStride { get; set; }

    public int* Tokens => (int*)_tokens.Pointer;

    public ref readonly Segment Segment(int index) => ref _segments[index];

    /// <summary>The row whose logits are the <paramref name="index"/>th.</summary>
    public int LogitRow(int index) => _logitRows[index];

    /// <summary>The segment of a row.</summary>
    public int SegmentOf(int row) => _segmentOfRow[row];

    public void Clear()
    {
        // What a session held must not live on here.
        _segments.AsSpan(0, SegmentCount).Clear();
        RowCount = SegmentCount = LogitCount = 0;
    }

    /// <summary>Adds rows of one sequence; logits are wanted of the last <paramref name="logitCount"/>.</summary>
    public void Add(KvCache cache, ActiveAdapters adapters, ReadOnlySpan<int> tokens, int firstPosition, int logitCount)
    {
        if (SegmentCount == 0) (HasAdapters, Changes) = (false, AdapterChanges.None);
        HasAdapters |= adapters.Count > 0;
        Changes |= adapters.Changes;
        _segmentOfRow.AsSpan(RowCount, tokens.Length).Fill((byte)SegmentCount);
        ref var segment = ref _segments[SegmentCount++];
        segment.Cache = cache;
        segment.Adapters = adapters;
        segment.FirstRow = RowCount;
        segment.RowCount = tokens.Length;
        segment.FirstPosition = firstPosition;
        (segment.FirstLogit, segment.LogitCount) = (LogitCount, logitCount);
        tokens.CopyTo(new Span<int>(Tokens + RowCount, tokens.Length));
        RowCount += tokens.Length;
        for (var row = RowCount - logitCount; row < RowCount; row++) _logitRows[LogitCount++] = row;
    }

    public void Dispose() => _tokens.Dispose();
}
