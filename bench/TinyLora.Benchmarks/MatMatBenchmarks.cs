using BenchmarkDotNet.Attributes;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Benchmarks;

/// <summary>128 rows of activations by a matrix: what prefilling does.</summary>
public unsafe class MatMatBenchmarks : IProduct
{
    private const int TokenCount = 128;

    private WeightRing _weights = null!;
    private AlignedBuffer _input = null!;
    private AlignedBuffer _output = null!;
    private AlignedBuffer _scratch = null!;

    [Params(ElementType.Q4_1, ElementType.Q8_0, ElementType.Q4_K, ElementType.Q6_K, ElementType.F16)]
    public ElementType Format { get; set; }

    [ParamsSource(typeof(MatVecBenchmarks), nameof(MatVecBenchmarks.Sizes))]
    public MatrixSize Size { get; set; }

    public long WeightBytes => Format.ByteCount((long)Size.Rows * Size.Columns);
    public long MultiplyAddCount => (long)Size.Rows * Size.Columns * TokenCount;

    [GlobalSetup]
    public void Setup()
    {
        _weights = new WeightRing(Format, Size);
        _input = Activations.Make(Format, Size.Columns, TokenCount);
        _output = AlignedBuffer.OfFloats(TokenCount * Size.Rows);
        _scratch = new AlignedBuffer(KernelScratch.Bytes(Size.Columns));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _weights.Dispose();
        _input.Dispose();
        _output.Dispose();
        _scratch.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Parametric() =>
        KernelTable.MultiplyMatrix(InstructionSet.Current, ~(int)Format, _weights.Next(), Size.Columns, _input.Pointer,
            Activations.RowBytes(Format, Size.Columns), TokenCount, _output.Floats, Size.Rows, 0, Size.Rows, _scratch.Pointer);
}
