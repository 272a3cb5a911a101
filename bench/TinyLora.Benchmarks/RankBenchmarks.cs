using BenchmarkDotNet.Attributes;
using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Benchmarks;

/// <summary>
/// A rank that nobody declared, on one projection of 1,536 rows with A and B in F16, in cache: t = A x and y += B t with the kernel whose rank is a parameter, with that of the next declared
/// rank over zeros, and with one made for the rank.
/// </summary>
public unsafe class RankBenchmarks : IProduct
{
    private const int Columns = 576, Rows = 1536, PanelRows = 8;
    private const ElementType Format = ElementType.F16;

    private AlignedBuffer _a = null!;
    private AlignedBuffer _b = null!;
    private AlignedBuffer _x = null!;
    private AlignedBuffer _t = null!;
    private AlignedBuffer _y = null!;

    [Params(3, 5, 12, 20)]
    public int Rank { get; set; }

    public long WeightBytes => Format.ByteCount((long)Rank * (Columns + Rows));
    public long MultiplyAddCount => (long)Rank * (Columns + Rows);

    /// <summary>The next of 8, 16, 32.</summary>
    private int DeclaredRank => Rank <= 8 ? 8 : Rank <= 16 ? 16 : 32;

    [GlobalSetup]
    public void Setup()
    {
        _a = new AlignedBuffer(Format.ByteCount((long)DeclaredRank * Columns));
        _b = new AlignedBuffer(Format.ByteCount((long)DeclaredRank * Rows));
        for (var i = 0; i < Rank * Columns; i++) ((ushort*)_a.Pointer)[i] = Conversions.SingleToHalf(i % 7 * 0.01f);
        for (var i = 0; i < Rank * PanelRows; i++) ((ushort*)_b.Pointer)[i] = Conversions.SingleToHalf(i % 5 * 0.01f);
        _x = Activations.Make(Format, Columns, 1);
        _t = AlignedBuffer.OfFloats(DeclaredRank);
        _y = AlignedBuffer.OfFloats(Rows);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var buffer in (AlignedBuffer[])[_a, _b, _x, _t, _y]) buffer.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Parametric()
    {
        SmolLM2.Multiply(SmolLM2.DownKernel, _a.Pointer, Columns, _x.Pointer, _t.Floats, Rank);
        Tests.Oracles.KernelTable.LoraUp(InstructionSet.Current, Format, _b.Pointer, Rank, _t.Floats, DeclaredRank, 1, _y.Floats, Rows, 0, Rows);
    }

    [Benchmark]
    public void Padded() => Generated(DeclaredRank);

    [Benchmark]
    public void Declared() => Generated(Rank);

    private void Generated(int rank)
    {
        SmolLM2.Multiply(SmolLM2.DownKernel, _a.Pointer, Columns, _x.Pointer, _t.Floats, rank);
        SmolLM2.LoraUp((int)Format, _b.Pointer, rank, _t.Floats, _y.Floats, Rows);
    }
}
