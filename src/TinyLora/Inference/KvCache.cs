using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>The keys and values of one sequence, float32: keys eight positions side by side, values a position a row.</summary>
internal sealed unsafe class KvCache : IDisposable
{
    private readonly AlignedBuffer _memory;
    private readonly nint _keyHead;
    private readonly nint _valueHead;
    private readonly nint _layer;

    /// <param name="shape">The model's.</param>
    /// <param name="capacity">Positions; rounded up to 8.</param>
    public KvCache(ModelShape shape, int capacity)
    {
        var positions = ((long)capacity + 7) & ~7L;
        HeadSize = shape.HeadSize;
        ValueStride = (shape.HeadSize + 7) & ~7;
        _keyHead = checked((nint)(positions * HeadSize));
        _valueHead = checked((nint)(positions * ValueStride));
        _layer = checked(shape.KeyValueHeadCount * (_keyHead + _valueHead));
        KeyValueHeadCount = shape.KeyValueHeadCount;
        _memory = AlignedBuffer.OfFloats(checked(_layer * shape.LayerCount));
    }

    public int HeadSize { get; }

    public int KeyValueHeadCount { get; }

    /// <summary>HeadSize rounded up to 8.</summary>
    public int ValueStride { get; }

    /// <summary>[capacity / 8][HeadSize][8]</summary>
    public float* Keys(int layer, int head) => _memory.Floats + layer * _layer + head * _keyHead;

    /// <summary>[capacity][ValueStride]</summary>
    public float* Values(int layer, int head) => _memory.Floats + layer * _layer + KeyValueHeadCount * _keyHead + head * _valueHead;

    /// <summary>Stores one head's key and value, [HeadSize] each, at a position.</summary>
    public void Store(int layer, int head, int position, float* key, float* value)
    {
        var k = Keys(layer, head) + position / 8 * (8 * (nint)HeadSize) + position % 8;
        for (var c = 0; c < HeadSize; c++) k[8 * (nint)c] = key[c];
        var v = Values(layer, head) + position * (nint)ValueStride;
        new ReadOnlySpan<float>(value, HeadSize).CopyTo(new Span<float>(v, HeadSize));
    }

    public void Dispose() => _memory.Dispose();
}
