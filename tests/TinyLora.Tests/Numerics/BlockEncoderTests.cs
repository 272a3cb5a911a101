using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Numerics;

/// <summary>Blocks are as near to the numbers as llama.cpp's, and what fits exactly stays exact.</summary>
public unsafe class BlockEncoderTests
{
    private const int Size = 256;

    [SkippableTheory]
    [InlineData(ElementType.Q8_0)]
    [InlineData(ElementType.Q4_0)]
    [InlineData(ElementType.Q4_1)]
    [InlineData(ElementType.Q5_0)]
    [InlineData(ElementType.Q5_1)]
    [InlineData(ElementType.Q4_K)]
    [InlineData(ElementType.Q5_K)]
    [InlineData(ElementType.Q6_K)]
    public void Errors_are_no_larger_than_those_of_llama_cpp(ElementType type)
    {
        using var golden = SafetensorsFile.Open(Shared.Path($"golden/gguf/formats/{type}.safetensors"));
        Assert.True(golden.TryGetTensor("input", out var input));
        Assert.True(golden.TryGetTensor("quantised_ggml", out var theirs));
        double ours = 0, reference = 0;
        for (var row = 0; row < input.Shape[0]; row++)
        {
            var values = (float*)input.Data + row * Size;
            var scale = Square(values);
            var (mine, other) = (Error(type, values, Encode(type, values)), Error(type, values, new ReadOnlySpan<byte>(theirs.Data + row * type.ByteCount(Size), (int)type.ByteCount(Size)).ToArray()));
            // Relative to the row, so that a row of thousands does not hide the others; but not of rows that are as good as zero.
            if (scale > 1e-6) (ours, reference) = (ours + mine / scale, reference + other / scale);
            // A row may come out a little worse where the search ends in another hollow, or where halves are subnormal; the sum may not.
            Assert.True(mine <= 1.02 * other + 1e-7 * scale + 1e-12, $"row {row}: {mine:g4} and {other:g4}");
        }
        Assert.True(ours <= reference, $"{ours:g6} and {reference:g6}");
    }

    [Theory]
    [InlineData(ElementType.Q4_0, 0.09)]
    [InlineData(ElementType.Q4_1, 0.075)]
    [InlineData(ElementType.Q5_0, 0.045)]
    [InlineData(ElementType.Q5_1, 0.037)]
    [InlineData(ElementType.Q4_K, 0.075)]
    [InlineData(ElementType.Q5_K, 0.037)]
    [InlineData(ElementType.Q6_K, 0.018)]
    public void Normal_numbers_lose_no_more_than_a_step_explains(ElementType type, double bound)
    {
        // Sub-blocks of 32 span about 4.1 deviations, in 15 or 31 steps; a step over √12 is the loss; sixteen numbers span ±1.8 in steps of that over 32. A tenth more for rounded scales.
        var random = new Random(3);
        double error = 0, square = 0;
        var values = new float[Size];
        fixed (float* pointer = values)
            for (var block = 0; block < 200; block++)
            {
                for (var i = 0; i < Size; i++) values[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
                error += Error(type, pointer, Encode(type, pointer));
                square += Square(pointer);
            }
        Assert.InRange(Math.Sqrt(error / square), bound / 2, bound);
    }

    [Theory]
    [InlineData(ElementType.Q4_K)]
    [InlineData(ElementType.Q5_K)]
    [InlineData(ElementType.Q6_K)]
    public void Odd_blocks_stay_finite_and_what_fits_is_exact(ElementType type)
    {
        var values = new float[Size];
        fixed (float* pointer = values)
        {
            Assert.Equal(0, Error(type, pointer, Encode(type, pointer)));
            foreach (var constant in (float[])[1, -0.5f, 3, -1024])
            {
                values.AsSpan().Fill(constant);
                Assert.InRange(Error(type, pointer, Encode(type, pointer)), 0, 1e-6 * Square(pointer));
            }
            // All codes of one step, up to the rounding of its half; and one number alone; and what no half can hold.
            for (var i = 0; i < Size; i++) values[i] = 0.25f * (i % 16) - (type == ElementType.Q6_K ? 2 : 0);
            Assert.InRange(Error(type, pointer, Encode(type, pointer)), 0, 1e-6 * Square(pointer));
            values.AsSpan().Clear();
            values[77] = 5;
            Assert.InRange(Error(type, pointer, Encode(type, pointer)), 0, 1e-4);
            for (var i = 0; i < Size; i++) values[i] = (i % 3 - 1) * 1e-20f;
            Assert.InRange(Error(type, pointer, Encode(type, pointer)), 0, Square(pointer) + 1e-12);
        }
    }

    private static byte[] Encode(ElementType type, float* values)
    {
        var block = new byte[type.ByteCount(Size)];
        // What was there must not matter.
        block.AsSpan().Fill(0xff);
        fixed (byte* to = block) BlockEncoder.Encode(type, values, to, Size);
        return block;
    }

    private static double Error(ElementType type, float* values, byte[] block)
    {
        var decoded = stackalloc float[Size];
        fixed (byte* from = block) Conversions.Decode(type, from, decoded, Size);
        var sum = 0.0;
        for (var i = 0; i < Size; i++) sum += ((double)decoded[i] - values[i]) * ((double)decoded[i] - values[i]);
        return sum;
    }

    private static double Square(float* values)
    {
        var sum = 0.0;
        for (var i = 0; i < Size; i++) sum += (double)values[i] * values[i];
        return sum;
    }

    [Theory]
    [InlineData(ElementType.F16, 0.0005)]
    [InlineData(ElementType.BF16, 0.004)]
    [InlineData(ElementType.Q8_0, 0.5 / 127)]
    [InlineData(ElementType.Q5_0, 1.0 / 16)]
    [InlineData(ElementType.Q5_1, 1.0 / 31)]
    [InlineData(ElementType.Q4_0, 1.0 / 8)]
    [InlineData(ElementType.Q4_1, 1.0 / 15)]
    public void Numbers_are_rounded_to_the_nearest_and_what_was_stored_stays(ElementType type, double step)
    {
        var random = new Random(5);
        using var memory = new AlignedBuffer(4096);
        var (values, blocks, decoded) = ((nint)memory.Pointer, (nint)memory.Pointer + 1024, (nint)memory.Pointer + 2048);
        for (var i = 0; i < 64; i++) ((float*)values)[i] = (float)(random.NextDouble() * 2 - 1);
        for (var i = 32; i < 64; i++) ((float*)values)[i] *= 1000;
        BlockEncoder.Encode(type, (float*)values, (byte*)blocks, 64);
        Conversions.Decode(type, (byte*)blocks, (float*)decoded, 64);
        // Half a step, the rounding of the scale itself, and what the ends of a block give up for the rest.
        for (var i = 0; i < 64; i++) Assert.InRange(((float*)decoded)[i] - ((float*)values)[i], -1.25 * step * (i < 32 ? 1 : 1000), 1.25 * step * (i < 32 ? 1 : 1000));
        var first = new ReadOnlySpan<byte>((byte*)blocks, (int)type.ByteCount(64)).ToArray();
        BlockEncoder.Encode(type, (float*)decoded, (byte*)blocks, 64);
        Conversions.Decode(type, (byte*)blocks, (float*)values, 64);
        for (var i = 0; i < 64; i++) Assert.Equal(((float*)decoded)[i], ((float*)values)[i], Math.Abs(((float*)decoded)[i]) * 0.003f + 1e-3f * (i < 32 ? 1 : 1000));
        Assert.Equal((int)type.ByteCount(64), first.Length);
    }
}
