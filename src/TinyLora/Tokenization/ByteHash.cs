using System.Buffers.Binary;

namespace TinyLora.Tokenization;

/// <summary>A quick hash with a seed of its own in each process, so that no file can be made whose texts all collide.</summary>
internal static class ByteHash
{
    // Odd 64-bit constants without structure: the fractions of the square roots of 2, 3 and 5.
    private const ulong First = 0x6A09E667F3BCC909;
    private const ulong Second = 0xBB67AE8584CAA73B;
    private const ulong Third = 0x3C6EF372FE94F82B;
    private static readonly ulong s_seed = (ulong)Random.Shared.NextInt64() | 1;

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var hash = s_seed ^ ((ulong)bytes.Length * First);
        while (bytes.Length >= 8)
        {
            hash = Mix(hash ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes), Second);
            bytes = bytes[8..];
        }
        ulong tail = 0;
        foreach (var b in bytes) tail = (tail << 8) | b;
        return (uint)(Mix(hash ^ tail, Third) >> 32);
    }

    public static uint Of(ulong key) => (uint)(Mix(key ^ s_seed, First) >> 32);

    private static ulong Mix(ulong a, ulong b)
    {
        var high = Math.BigMul(a, b, out var low);
        return high ^ low;
    }
}
