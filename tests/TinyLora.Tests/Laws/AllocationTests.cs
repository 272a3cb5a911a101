using TinyLora.Inference;

namespace TinyLora.Tests.Laws;

/// <summary>
/// Nothing is allocated by the calling thread. That no other thread allocates either is checked by TinyLora.AotTests, under the JIT and as a native program:
/// here the test host's own threads would be counted.
/// </summary>
public class AllocationTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_is_allocated(bool generated)
    {
        var options = new ModelOptions { ThreadCount = 2 };
        using var model = generated ? Lantern.Open(LanternFiles.Q8_0, options) : Model.Open(LanternFiles.Q8_0, options);
        using var laws = new AllocationLaws(model, LanternFiles.Adapters);
        foreach (var (name, work, steps) in laws.All())
        {
            var bytes = AllocationLaws.Measure(work, steps);
            Assert.True(bytes == 0, $"{name}: {bytes} bytes");
        }
    }
}
