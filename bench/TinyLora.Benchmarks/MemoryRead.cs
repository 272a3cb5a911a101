using System.Runtime.Intrinsics;

namespace TinyLora.Benchmarks;

/// <summary>The plainest read of memory there is: what a kernel that does nothing else could reach.</summary>
internal static unsafe class MemoryRead
{
    public static long Sum(byte* from, long byteCount)
    {
        Vector256<long> a = default, b = default, c = default, d = default;
        for (byte* end = from + byteCount / 128 * 128; from < end; from += 128)
        {
            a ^= Vector256.Load((long*)from);
            b ^= Vector256.Load((long*)(from + 32));
            c ^= Vector256.Load((long*)(from + 64));
            d ^= Vector256.Load((long*)(from + 96));
        }
        return (a ^ b ^ c ^ d).GetElement(0);
    }
}
