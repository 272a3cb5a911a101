using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Benchmarks;

/// <summary>
/// Copies of a random matrix, one after the other in more memory than the caches hold. A benchmark takes the next at each operation, so
/// that weights come from memory as they do in a model.
/// </summary>
internal sealed unsafe class WeightRing : IDisposable
{
    private const long RingBytes = 128 << 20;

    private readonly AlignedBuffer _memory;
    private readonly long _matrixBytes;
    private readonly long _count;
    private long _next;

    public WeightRing(ElementType type, MatrixSize size)
    {
        using var matrix = RandomWeights.Make(type, size.Rows, size.Columns, new Random(1));
        _matrixBytes = matrix.Bytes;
        _count = RingBytes / _matrixBytes;
        _memory = new AlignedBuffer(_count * _matrixBytes);
        for (long i = 0; i < _count; i++)
            Buffer.MemoryCopy(matrix.Pointer, _memory.Pointer + i * _matrixBytes, _matrixBytes, _matrixBytes);
    }

    public byte* Next()
    {
        _next = _next + 1 == _count ? 0 : _next + 1;
        return _memory.Pointer + _next * _matrixBytes;
    }

    public void Dispose() => _memory.Dispose();
}
