using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace TinyLora.PeerBench;

/// <summary>What the machine can do at most: memory read and float32 fused multiply-adds, by so many threads.</summary>
internal static unsafe class MachineLimits
{
    /// <summary>Bytes to read: several times the largest cache that two cores have.</summary>
    private const int ReadBytes = 256 << 20;

    /// <summary>Independent sums of the multiply-add loop: two units of four cycles' latency need eight.</summary>
    private const int ChainCount = 12;
    private const int FmaSteps = 4_000_000;

    /// <summary>Memory read sequentially, GB (1e9 bytes) a second: the best of five passes over 256 MiB, shared by the threads.</summary>
    public static double ReadBandwidth(int threadCount)
    {
        byte* memory = (byte*)NativeMemory.AlignedAlloc(ReadBytes, 4096);
        try
        {
            NativeMemory.Fill(memory, ReadBytes, 1);
            nint share = ReadBytes / threadCount / 4096 * 4096;
            return share * threadCount / Best(threadCount, thread => Read(memory + thread * share, share)) / 1e9;
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    /// <summary>Float32 multiply-adds in registers of 256 bits, GFLOP a second (an FMA is two); 0 without FMA.</summary>
    public static double FmaPeak256(int threadCount) =>
        !Fma.IsSupported ? 0 : 2.0 * Vector256<float>.Count * ChainCount * FmaSteps * threadCount / Best(threadCount, _ => Fma256()) / 1e9;

    /// <summary>The same in registers of 512 bits; 0 without AVX-512.</summary>
    public static double FmaPeak512(int threadCount) =>
        !Avx512F.IsSupported ? 0 : 2.0 * Vector512<float>.Count * ChainCount * FmaSteps * threadCount / Best(threadCount, _ => Fma512()) / 1e9;

    /// <summary>Seconds of the fastest of five runs by all threads at once, from their common start to the end of the last.</summary>
    private static double Best(int threadCount, Action<int> work)
    {
        double best = double.MaxValue;
        for (int pass = 0; pass < 5; pass++)
        {
            using var start = new Barrier(threadCount + 1);
            var threads = new Thread[threadCount];
            for (int i = 0; i < threadCount; i++)
            {
                int thread = i;
                threads[i] = new Thread(() =>
                {
                    start.SignalAndWait();
                    work(thread);
                });
                threads[i].Start();
            }
            start.SignalAndWait();
            long begin = Stopwatch.GetTimestamp();
            foreach (var thread in threads)
                thread.Join();
            best = Math.Min(best, Stopwatch.GetElapsedTime(begin).TotalSeconds);
        }
        return best;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Read(byte* from, nint byteCount)
    {
        Vector256<long> a = default, b = default, c = default, d = default;
        for (byte* end = from + byteCount; from < end; from += 128)
        {
            a ^= Vector256.LoadAligned((long*)from);
            b ^= Vector256.LoadAligned((long*)(from + 32));
            c ^= Vector256.LoadAligned((long*)(from + 64));
            d ^= Vector256.LoadAligned((long*)(from + 96));
        }
        Keep((a ^ b ^ c ^ d).GetElement(0));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fma256()
    {
        var x = Vector256.Create(0.999f);
        var y = Vector256.Create(0.001f);
        Vector256<float> s0 = x, s1 = x, s2 = x, s3 = x, s4 = x, s5 = x, s6 = x, s7 = x, s8 = x, s9 = x, s10 = x, s11 = x;
        for (int i = 0; i < FmaSteps; i++)
        {
            s0 = Fma.MultiplyAdd(s0, x, y);
            s1 = Fma.MultiplyAdd(s1, x, y);
            s2 = Fma.MultiplyAdd(s2, x, y);
            s3 = Fma.MultiplyAdd(s3, x, y);
            s4 = Fma.MultiplyAdd(s4, x, y);
            s5 = Fma.MultiplyAdd(s5, x, y);
            s6 = Fma.MultiplyAdd(s6, x, y);
            s7 = Fma.MultiplyAdd(s7, x, y);
            s8 = Fma.MultiplyAdd(s8, x, y);
            s9 = Fma.MultiplyAdd(s9, x, y);
            s10 = Fma.MultiplyAdd(s10, x, y);
            s11 = Fma.MultiplyAdd(s11, x, y);
        }
        Keep(BitConverter.SingleToInt32Bits((s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11).GetElement(0)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fma512()
    {
        var x = Vector512.Create(0.999f);
        var y = Vector512.Create(0.001f);
        Vector512<float> s0 = x, s1 = x, s2 = x, s3 = x, s4 = x, s5 = x, s6 = x, s7 = x, s8 = x, s9 = x, s10 = x, s11 = x;
        for (int i = 0; i < FmaSteps; i++)
        {
            s0 = Avx512F.FusedMultiplyAdd(s0, x, y);
            s1 = Avx512F.FusedMultiplyAdd(s1, x, y);
            s2 = Avx512F.FusedMultiplyAdd(s2, x, y);
            s3 = Avx512F.FusedMultiplyAdd(s3, x, y);
            s4 = Avx512F.FusedMultiplyAdd(s4, x, y);
            s5 = Avx512F.FusedMultiplyAdd(s5, x, y);
            s6 = Avx512F.FusedMultiplyAdd(s6, x, y);
            s7 = Avx512F.FusedMultiplyAdd(s7, x, y);
            s8 = Avx512F.FusedMultiplyAdd(s8, x, y);
            s9 = Avx512F.FusedMultiplyAdd(s9, x, y);
            s10 = Avx512F.FusedMultiplyAdd(s10, x, y);
            s11 = Avx512F.FusedMultiplyAdd(s11, x, y);
        }
        Keep(BitConverter.SingleToInt32Bits((s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11).GetElement(0)));
    }

    private static long _kept;

    /// <summary>Uses a result, so that its computation stays.</summary>
    private static void Keep(long value) => Volatile.Write(ref _kept, value);
}
