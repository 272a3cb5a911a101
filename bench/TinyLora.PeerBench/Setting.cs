namespace TinyLora.PeerBench;

/// <summary>What both engines measure in turn: a model, with the random adapter or without, and a number of threads.</summary>
internal sealed record Setting(string ModelPath, int AdapterRank, int ThreadCount)
{
    /// <summary>What each round gave, in the rounds' order; <see cref="Peer"/> is llama.cpp, <see cref="Own"/> TinyLora.</summary>
    public List<EngineReport> Peer { get; } = [];
    public List<EngineReport> Own { get; } = [];

    /// <summary>Bytes of the adapter's matrices; 0 without one.</summary>
    public long AdapterBytes { get; init; }

    public string ModelName => Path.GetFileNameWithoutExtension(ModelPath);
    public string AdapterName => AdapterRank == 0 ? "none" : $"rank {AdapterRank}";
    public long ModelBytes { get; } = new FileInfo(ModelPath).Length;

    /// <summary>Tests that llama.cpp ran, in their order.</summary>
    public IEnumerable<string> Tests => Peer.SelectMany(report => report.Tests.Keys).Distinct();

    /// <summary>Median seconds of a test over the rounds; NaN if it did not run.</summary>
    public static double Seconds(List<EngineReport> rounds, string test) =>
        rounds.Count > 0 && rounds.All(report => report.Tests.ContainsKey(test))
            ? Statistics.Median(rounds.Select(report => report.Tests[test].MedianSeconds))
            : double.NaN;

    /// <summary>How many times as fast as llama.cpp TinyLora was: the median of the rounds' ratios, since the machine drifts between rounds.</summary>
    public double Ratio(string test)
    {
        if (double.IsNaN(Seconds(Peer, test)) || double.IsNaN(Seconds(Own, test)))
            return double.NaN;
        return Statistics.Median(Peer.Zip(Own, (peer, own) => peer.Tests[test].MedianSeconds / own.Tests[test].MedianSeconds));
    }

    /// <summary>
    /// What an adapter costs a token, in multiples of the time that reading its bytes takes at the machine's bandwidth: the median over the rounds of
    /// (with - off) / adapters ÷ (adapter's bytes / bandwidth).
    /// </summary>
    public double AdapterCost(string off, string with, int adapters, double readBandwidth) =>
        Statistics.Median(Own.Select(report => (SecondsAToken(report, with) - SecondsAToken(report, off)) / adapters / (AdapterBytes / (1e9 * readBandwidth))));

    private static double SecondsAToken(EngineReport report, string test) => report.Tests[test].MedianSeconds / report.Tests[test].TokenCount;

    /// <summary>Median bytes by which the process grew while it ran all tests: its host's own memory is left out.</summary>
    public static double MemoryBytes(List<EngineReport> rounds) =>
        rounds.Count == 0 ? double.NaN : Statistics.Median(rounds.Select(report => (double)(report.PeakBytes - report.StartBytes)));
}
