using System.Numerics;
using System.Security.Cryptography;

namespace TinyLora.Sampling;

/// <summary>
/// xoshiro256** (Blackman and Vigna, 2021), seeded by SplitMix64: the same numbers for a seed on every machine.
/// </summary>
internal struct RandomState
{
    private ulong _a, _b, _c, _d;

    public RandomState(ulong seed)
    {
        _a = SplitMix64(ref seed);
        _b = SplitMix64(ref seed);
        _c = SplitMix64(ref seed);
        _d = SplitMix64(ref seed);
    }

    /// <summary>A seed from the operating system's source of randomness.</summary>
    public static ulong RandomSeed()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    public ulong Next()
    {
        var result = BitOperations.RotateLeft(_b * 5, 7) * 9;
        var t = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= t;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    /// <summary>Uniform in [0, 1): the upper 53 bits.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    private static ulong SplitMix64(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
