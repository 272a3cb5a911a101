using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Tests.Kernels;

public sealed unsafe class LookaheadTests
{
    private const int Rows = 32, Columns = 256, Count = 2;

    [Fact]
    public void Ranges_follow_one_another_in_lines_and_end_with_none()
    {
        using var memory = new AlignedBuffer(Lookahead.Bytes);
        ref var lookahead = ref *(Lookahead*)memory.Pointer;
        lookahead.Clear();
        Assert.Equal(0, lookahead.Lines);
        lookahead.Add((byte*)0x1000, 64);
        lookahead.Add((byte*)0x2000, 0);
        lookahead.Add((byte*)0x3000, 65);
        Assert.Equal((0x1000, 1), ((nint)lookahead.At, lookahead.Lines));
        Assert.Equal([0x3000, 2], new ReadOnlySpan<nint>(lookahead.Next, 2).ToArray());
        Assert.Equal(0, lookahead.Next[3]);
        // More than there is room for are left out; what was there stays.
        for (var i = 0; i < 1000; i++) lookahead.Add((byte*)0x4000, 64);
        var ranges = 1;
        for (var next = lookahead.Next; next[1] != 0; next += 2) ranges++;
        Assert.InRange(ranges, 100, 200);
        Assert.True((byte*)(lookahead.Next + 2 * ranges) <= memory.Pointer + Lookahead.Bytes);
        lookahead.Clear();
        lookahead.Add((byte*)0x5000, 64);
        Assert.Equal(0, lookahead.Next[1]);
    }

    [SkippableTheory]
    [InlineData("avx2")]
    [InlineData("avx512")]
    public void A_mat_mat_kernel_goes_through_them_and_computes_the_same(string name)
    {
        var set = InstructionSet.All.Single(s => s.Name == name);
        Skip.IfNot(set.IsSupported, $"this machine has no {name}");
        var random = new Random(1);
        using var weights = RandomWeights.Make(ElementType.Q4_1, Rows, Columns, random);
        using var floats = AlignedBuffer.OfFloats(Columns);
        using var x = new AlignedBuffer(Count * QuantizedRow.Bytes(Columns));
        for (var k = 0; k < Columns; k++) floats.Floats[k] = random.NextSingle() - 0.5f;
        for (var t = 0; t < Count; t++) QuantizedRow.Quantize(floats.Floats, x.Pointer + t * QuantizedRow.Bytes(Columns), Columns);
        using var scratch = new AlignedBuffer(KernelScratch.Bytes(Columns));
        using var expected = AlignedBuffer.OfFloats(Count * Rows);
        using var actual = AlignedBuffer.OfFloats(Count * Rows);
        Multiply(expected);

        ref var lookahead = ref *(Lookahead*)scratch.Pointer;
        lookahead.Clear();
        lookahead.Add(weights.Pointer, 5 * 64);
        lookahead.Add(x.Pointer, 9 * 64);
        lookahead.Add(weights.Pointer, 1);
        Multiply(actual);
        Assert.Equal(0, lookahead.Lines);
        Assert.Equal(new Span<float>(expected.Floats, Count * Rows).ToArray(), new Span<float>(actual.Floats, Count * Rows).ToArray());

        // What one matrix is too small for stays for the next.
        lookahead.Clear();
        lookahead.Add(weights.Pointer, 1_000_000);
        var lines = lookahead.Lines;
        Multiply(actual);
        Assert.InRange(lookahead.Lines, 1, lines - 1);
        Assert.Equal((nint)weights.Pointer + 64 * (lines - lookahead.Lines), (nint)lookahead.At);

        void Multiply(AlignedBuffer y) =>
            KernelTable.MultiplyMatrix(set, ~(int)ElementType.Q4_1, weights.Pointer, Columns, x.Pointer, QuantizedRow.Bytes(Columns), Count, y.Floats, Rows, 0, Rows, scratch.Pointer);
    }
}
