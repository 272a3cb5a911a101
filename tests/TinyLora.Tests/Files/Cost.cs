using System.Diagnostics;
using Xunit;

namespace TinyLora.Tests.Files;

/// <summary>What a bad file may cost: little time and little memory, whatever it claims to hold.</summary>
internal static class Cost
{
    // The files are of a few kilobytes; the rest is room for a busy machine and for the compiler at a first call.
    private const long MaxBytes = 4 << 20;
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(1);

    public static T Of<T>(Func<T> action)
    {
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        var result = action();
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, MaxTime);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - bytes, 0, MaxBytes);
        return result;
    }
}
