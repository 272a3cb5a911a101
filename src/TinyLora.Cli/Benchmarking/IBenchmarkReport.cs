namespace TinyLora.Cli.Benchmarking;

/// <summary>Takes what a benchmark measures, as it comes.</summary>
internal interface IBenchmarkReport
{
    /// <param name="engine">Name and version.</param>
    /// <param name="kernels">The instruction set in use.</param>
    void Engine(string engine, string kernels);

    /// <param name="test">Name of the test.</param>
    /// <param name="runs">What it took.</param>
    void Test(string test, TestRuns runs);

    /// <param name="startBytes">Resident before the model was opened.</param>
    /// <param name="peakBytes">The most that was resident at once.</param>
    void Memory(long startBytes, long peakBytes);
}
