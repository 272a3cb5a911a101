namespace TinyLora.Tests.Laws;

/// <summary>FNV-1a, 64 bits, over the bits of numbers, little-endian.</summary>
internal static class Bits
{
    public const ulong Start = 0xcbf29ce484222325;

    public static ulong Hash(ReadOnlySpan<float> numbers, ulong hash = Start)
    {
        foreach (var number in numbers)
        {
            var bits = BitConverter.SingleToUInt32Bits(number);
            for (var i = 0; i < 32; i += 8) hash = (hash ^ (bits >> i & 0xff)) * 0x100000001b3;
        }
        return hash;
    }
}
