using System.Diagnostics;
using System.Globalization;

namespace TinyLora.PeerBench;

/// <summary>Seconds of processor time: by this program with its ended children, by all others, and all that there were.</summary>
internal readonly record struct ProcessorTime(double OwnSeconds, double OthersSeconds, double AllSeconds)
{
    /// <summary>Linux counts processor time in hundredths of a second.</summary>
    private const double TicksPerSecond = 100;
    private const double QuietShare = 0.05;
    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(0.5);

    public static ProcessorTime Now()
    {
        // cpu user nice system idle iowait irq softirq steal ...
        var all = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        double busy = Seconds(all[1]) + Seconds(all[2]) + Seconds(all[3]) + Seconds(all[6]) + Seconds(all[7]) + Seconds(all[8]);
        // After the name in parentheses the state comes first; utime, stime, cutime and cstime are the 12th to 15th.
        var stat = File.ReadAllText("/proc/self/stat");
        var self = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        double own = Seconds(self[11]) + Seconds(self[12]) + Seconds(self[13]) + Seconds(self[14]);
        return new ProcessorTime(own, busy - own, Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency * Environment.ProcessorCount);

        static double Seconds(string ticks) => double.Parse(ticks, CultureInfo.InvariantCulture) / TicksPerSecond;
    }

    public static ProcessorTime operator -(ProcessorTime end, ProcessorTime start) =>
        new(end.OwnSeconds - start.OwnSeconds, Math.Max(0, end.OthersSeconds - start.OthersSeconds), end.AllSeconds - start.AllSeconds);

    /// <summary>Waits until others leave 95 % of the processors alone for half a second, but no longer than <paramref name="patience"/>.</summary>
    public static void WaitForQuiet(TimeSpan patience)
    {
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < patience)
        {
            var start = Now();
            Thread.Sleep(LookTime);
            var used = Now() - start;
            if (used.OthersSeconds < QuietShare * used.AllSeconds)
                return;
        }
    }
}
