namespace TinyLora.PeerBench;

/// <summary>The machine's limits, measured before each round; medians are reported.</summary>
internal sealed class MachineFacts
{
    private readonly Dictionary<(string What, int ThreadCount), List<double>> _samples = [];

    public string Processor { get; } = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) is { } line
        ? line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
        : "unknown";

    /// <summary>Share of the processors' time during the rounds that other processes took, 0 to 1.</summary>
    public double OthersShare { get; set; }

    public void Measure(int threadCount)
    {
        Add("memory read, GB/s", MachineLimits.ReadBandwidth(threadCount));
        Add("float32 FMA, 256 bit, GFLOP/s", MachineLimits.FmaPeak256(threadCount));
        Add("float32 FMA, 512 bit, GFLOP/s", MachineLimits.FmaPeak512(threadCount));

        void Add(string what, double value)
        {
            if (!_samples.TryGetValue((what, threadCount), out var values))
                _samples[(what, threadCount)] = values = [];
            values.Add(value);
        }
    }

    public IEnumerable<(string What, int ThreadCount, double Median)> Limits =>
        _samples.Where(sample => sample.Value.Max() > 0).Select(sample => (sample.Key.What, sample.Key.ThreadCount, Statistics.Median(sample.Value)));

    public double ReadBandwidth(int threadCount) => Statistics.Median(_samples[("memory read, GB/s", threadCount)]);
}
