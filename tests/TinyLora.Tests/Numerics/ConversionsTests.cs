using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Numerics;

public unsafe class ConversionsTests
{
    public static TheoryData<ElementType> CoveredTypes => [.. Enum.GetValues<ElementType>().Where(type => type != ElementType.F32)];

    [SkippableTheory]
    [MemberData(nameof(CoveredTypes))]
    public void Blocks_decode_to_the_bits_of_ggml(ElementType type)
    {
        using var file = SafetensorsFile.Open(Shared.Path($"golden/gguf/formats/{type}.safetensors"));
        Assert.True(file.TryGetTensor("blocks", out var blocks));
        Assert.True(file.TryGetTensor("values", out var values));
        Assert.Equal(type.ByteCount(values.ElementCount), blocks.ByteCount);
        var decoded = new float[values.ElementCount];
        fixed (float* to = decoded) Conversions.Decode(type, blocks.Data, to, decoded.Length);
        var expected = new ReadOnlySpan<uint>(values.Data, decoded.Length);
        for (var i = 0; i < decoded.Length; i++) Assert.Equal(expected[i], BitConverter.SingleToUInt32Bits(decoded[i]));
    }

    [Fact]
    public void Float32_is_taken_as_it_is()
    {
        float[] from = [0f, -0f, 1f, float.Epsilon, float.NaN, float.NegativeInfinity];
        var to = new float[from.Length];
        fixed (float* a = from, b = to) Conversions.Decode(ElementType.F32, (byte*)a, b, from.Length);
        Assert.Equal(from.Select(BitConverter.SingleToUInt32Bits), to.Select(BitConverter.SingleToUInt32Bits));
    }

    [Fact]
    public void Every_half_becomes_the_same_single_as_in_the_class_library()
    {
        for (var bits = 0; bits <= ushort.MaxValue; bits++)
        {
            var expected = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            Assert.Equal(BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(Conversions.HalfToSingle((ushort)bits)));
        }
    }

    [Fact]
    public void Every_half_returns_from_single()
    {
        for (var bits = 0; bits <= ushort.MaxValue; bits++)
        {
            var single = Conversions.HalfToSingle((ushort)bits);
            if (float.IsNaN(single)) Assert.True(Half.IsNaN(BitConverter.UInt16BitsToHalf(Conversions.SingleToHalf(single))));
            else Assert.Equal((ushort)bits, Conversions.SingleToHalf(single));
        }
    }

    [Fact]
    public void Singles_round_to_the_nearest_half_and_ties_to_even()
    {
        // Around every boundary between two halves, and a walk over all exponents.
        for (var bits = 0; bits < 0x7c00; bits++)
        {
            var middle = (Conversions.HalfToSingle((ushort)bits) + (bits == 0x7bff ? 65536f : Conversions.HalfToSingle((ushort)(bits + 1)))) / 2;
            foreach (var value in (float[])[middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)])
            {
                Assert.Equal(BitConverter.HalfToUInt16Bits((Half)value), Conversions.SingleToHalf(value));
                Assert.Equal(BitConverter.HalfToUInt16Bits((Half)(-value)), Conversions.SingleToHalf(-value));
            }
        }
        for (ulong bits = 0; bits < 0x7f800000; bits += 4093)
        {
            var value = BitConverter.UInt32BitsToSingle((uint)bits);
            Assert.Equal(BitConverter.HalfToUInt16Bits((Half)value), Conversions.SingleToHalf(value));
        }
    }

    [SkippableFact]
    public void Halves_are_stored_as_ggml_stores_them()
    {
        using var file = SafetensorsFile.Open(Shared.Path("golden/gguf/formats/F16.safetensors"));
        Assert.True(file.TryGetTensor("input", out var input));
        Assert.True(file.TryGetTensor("quantised_ggml", out var stored));
        for (var i = 0; i < input.ElementCount; i++) Assert.Equal(((ushort*)stored.Data)[i], Conversions.SingleToHalf(((float*)input.Data)[i]));
    }

    [Fact]
    public void Part_of_a_block_is_the_callers_mistake()
    {
        var values = new float[32];
        var block = new byte[34];
        Assert.Throws<ArgumentException>(() => Decode(ElementType.Q8_0, block, values, 31));
        Assert.Throws<ArgumentOutOfRangeException>(() => Decode(ElementType.Q8_0, block, values, -32));
        Assert.Throws<ArgumentOutOfRangeException>(() => Decode((ElementType)99, block, values, 32));
    }

    private static void Decode(ElementType type, byte[] blocks, float[] values, long count)
    {
        fixed (byte* from = blocks)
        fixed (float* to = values) Conversions.Decode(type, from, to, count);
    }
}
