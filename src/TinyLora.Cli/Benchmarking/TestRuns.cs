using System.Diagnostics;

namespace TinyLora.Cli.Benchmarking;

/// <summary>What the runs of a test took.</summary>
/// <param name="TokenCount">Tokens of one run.</param>
/// <param name="Seconds">Of each run.</param>
/// <param name="AllocatedBytes">Managed bytes that all runs together allocated, on all threads.</param>
internal sealed record TestRuns(int TokenCount, double[] Seconds, long AllocatedBytes)
{
    /// <summary>Runs a test again and again, each time from the beginning.</summary>
    public static TestRuns Measure(int tokenCount, int repetitions, Action reset, Action test)
    {
        var seconds = new double[repetitions];
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        for (var i = 0; i < seconds.Length; i++)
        {
            reset();
            var start = Stopwatch.GetTimestamp();
            test();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return new(tokenCount, seconds, GC.GetTotalAllocatedBytes(precise: true) - allocated);
    }
}
