using TinyLora.Inference;

namespace TinyLora.Tests.Laws;

/// <summary>
/// Nothing is allocated by the calling thread. That no other thread allocates either is checked by TinyLora.AotTests, under the JIT and as a native program:
/// here the test host's own threads would be counted.
/// </summary>
public class AllocationTests
{
    [Theory]
    [InlineData(false, 1, 1000)]
    [InlineData(true, 1, 1000)]
    // Fewer: on a busy machine two threads wait for each other long.
    [InlineData(true, 2, 100)]
    public void Nothing_is_allocated(bool generated, int threadCount, int steps)
    {
        var options = new ModelOptions { ThreadCount = threadCount };
        using var model = generated ? Lantern.Open(LanternFiles.Q8_0, options) : Model.Open(LanternFiles.Q8_0, options);
        using var laws = new AllocationLaws(model, LanternFiles.Adapters);
        foreach (var (name, work, count) in laws.All(steps))
        {
            var bytes = AllocationLaws.Measure(work, count);
            Assert.True(bytes == 0, $"{name}: {bytes} bytes");
        }
    }
}
