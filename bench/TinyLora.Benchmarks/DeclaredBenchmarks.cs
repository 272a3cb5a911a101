using BenchmarkDotNet.Attributes;
using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Benchmarks;

/// <summary>What a declared model gains: the generated kernel, the same emitter's kernel with its sizes as parameters, and the scalar twin, in cache.</summary>
public unsafe class DeclaredBenchmarks : IProduct
{
    private const ElementType Format = ElementType.Q4_1;

    private AlignedBuffer _weights = null!;
    private AlignedBuffer _input = null!;
    private AlignedBuffer _output = null!;

    [ParamsSource(nameof(Sizes))]
    public MatrixSize Size { get; set; }

    /// <summary>SmolLM2-135M's gate, whose 18 blocks a row leave a tail of two, and its down projection, which has none.</summary>
    public static IEnumerable<MatrixSize> Sizes => [new(1536, 576), new(576, 1536)];

    public long WeightBytes => Format.ByteCount((long)Size.Rows * Size.Columns);
    public long MultiplyAddCount => (long)Size.Rows * Size.Columns;

    [GlobalSetup]
    public void Setup()
    {
        using var weights = Tests.Oracles.RandomWeights.Make(Format, Size.Rows, Size.Columns, new Random(1));
        _weights = new AlignedBuffer(weights.Bytes);
        Buffer.MemoryCopy(weights.Pointer, _weights.Pointer, weights.Bytes, weights.Bytes);
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
    public void Generated() => SmolLM2.Multiply(Size.Columns == 576 ? 0 : 1, _weights.Pointer, Size.Columns, _input.Pointer, _output.Floats, Size.Rows);

    [Benchmark(Baseline = true)]
    public void Parametric() =>
        Tests.Oracles.KernelTable.MultiplyVector(InstructionSet.Current, ~(int)Format, _weights.Pointer, Size.Columns, _input.Pointer, _output.Floats, 0, Size.Rows);

    [Benchmark]
    public void Scalar() => ScalarKernels.MultiplyVector(~(int)Format, _weights.Pointer, Size.Columns, _input.Pointer, _output.Floats, 0, Size.Rows);
}
