using System.Globalization;

namespace TinyLora.Cli.Benchmarking;

/// <summary>One line a test, for people: the median run.</summary>
internal sealed class TextBenchmarkReport(Terminal terminal) : IBenchmarkReport
{
    private const double BytesPerMegabyte = 1e6;

    public void Engine(string engine, string kernels) => terminal.WriteLine($"{engine}, kernels {kernels}");

    public void Test(string test, TestRuns runs)
    {
        Array.Sort(runs.Seconds);
        var median = runs.Seconds[runs.Seconds.Length / 2];
        terminal.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{test,-18}{runs.TokenCount / median,10:0.0} tokens/s {1000 * median,10:0.0} ms {runs.AllocatedBytes,8} bytes allocated"));
    }

    public void Memory(long startBytes, long peakBytes) =>
        terminal.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"memory",-18}{peakBytes / BytesPerMegabyte,10:0.0} MB at most, {startBytes / BytesPerMegabyte:0.0} MB at the start"));
}
