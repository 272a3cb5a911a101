namespace TinyLora.PeerBench;

/// <summary>Seconds that each repetition of a test of so many tokens took.</summary>
internal sealed record TestTimes(int TokenCount, double[] Seconds, long? AllocatedBytes = null)
{
    public double MedianSeconds => Statistics.Median(Seconds);
}
