using BenchmarkDotNet.Attributes;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Benchmarks;

/// <summary>One row of activations by a matrix: what decoding does. <see cref="Read"/> is the bound: the same bytes, only loaded.</summary>
public unsafe class MatVecBenchmarks : IProduct
{
    private WeightRing _weights = null!;
    private AlignedBuffer _input = null!;
    private AlignedBuffer _output = null!;

    [Params(ElementType.Q4_1, ElementType.Q8_0, ElementType.Q4_K, ElementType.Q6_K, ElementType.F16)]
    public ElementType Format { get; set; }

    [ParamsSource(nameof(Sizes))]
    public MatrixSize Size { get; set; }

    /// <summary>The gate of SmolLM2-135M in columns that K formats divide, and its down projection.</summary>
    public static IEnumerable<MatrixSize> Sizes => [new(1536, 768), new(768, 1536)];

    public long WeightBytes => Format.ByteCount((long)Size.Rows * Size.Columns);
    public long MultiplyAddCount => (long)Size.Rows * Size.Columns;

    [GlobalSetup]
    public void Setup()
    {
        _weights = new WeightRing(Format, Size);
        _input = Activations.Make(Format, Size.Columns, 1);
        _output = AlignedBuffer.OfFloats(Size.Rows);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _weights.Dispose();
        _input.Dispose();
        _output.Dispose();
    }

    [Benchmark]
    [BenchmarkCategory(RateColumn.ReadCategory)]
    public long Read() => MemoryRead.Sum(_weights.Next(), WeightBytes);

    [Benchmark(Baseline = true)]
    public void Parametric() =>
        KernelTable.MultiplyVector(InstructionSet.Current, ~(int)Format, _weights.Next(), Size.Columns, _input.Pointer, _output.Floats, 0, Size.Rows);

    [Benchmark]
    public void Scalar() =>
        ScalarKernels.MultiplyVector(~(int)Format, _weights.Next(), Size.Columns, _input.Pointer, _output.Floats, 0, Size.Rows);
}
