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
}

/// <summary>What one step computes: rows of tokens in segments, and where the logits of chosen rows go.</summary>
internal sealed unsafe class Step : IDisposable
{
    private readonly AlignedBuffer _tokens = new(Activations.MaxRows * sizeof(int));
    private readonly Segment[] _segments = new Segment[Activations.MaxRows];
    private readonly int[] _logitRows = new int[Activations.MaxRows];

    public int RowCount { get; private set; }
    public int SegmentCount { get; private set; }
    public int LogitCount { get; private set; }
    public bool HasAdapters { get; private set; }
    /// <summary>[LogitCount, LogitsStride], room for a multiple of 16 each.</summary>
    public float* Logits { get; set; }
    public nint LogitsStride { get; set; }

    public int* Tokens => (int*)_tokens.Pointer;

    public ref readonly Segment Segment(int index) => ref _segments[index];

    /// <summary>The row whose logits are the <paramref name="index"/>th.</summary>
    public int LogitRow(int index) => _logitRows[index];

    public void Clear() => RowCount = SegmentCount = LogitCount = 0;

    /// <summary>Adds rows of one sequence; logits are wanted of the last <paramref name="logitCount"/>.</summary>
    public void Add(KvCache cache, ActiveAdapters adapters, ReadOnlySpan<int> tokens, int firstPosition, int logitCount)
    {
        if (SegmentCount == 0) HasAdapters = false;
        HasAdapters |= adapters.Count > 0;
        ref var segment = ref _segments[SegmentCount++];
        segment.Cache = cache;
        segment.Adapters = adapters;
        segment.FirstRow = RowCount;
        segment.RowCount = tokens.Length;
        segment.FirstPosition = firstPosition;
        tokens.CopyTo(new Span<int>(Tokens + RowCount, tokens.Length));
        RowCount += tokens.Length;
        for (var row = RowCount - logitCount; row < RowCount; row++) _logitRows[LogitCount++] = row;
    }

    public void Dispose() => _tokens.Dispose();
}
