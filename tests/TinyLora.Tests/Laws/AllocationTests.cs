using TinyLora.Inference;

namespace TinyLora.Tests.Laws;

/// <summary>No other test runs meanwhile: the bytes of all threads are counted.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public class AllocationCollection;

[Collection(nameof(AllocationTests))]
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
        foreach (var (name, work) in laws.All())
        {
            var (thread, total) = AllocationLaws.Measure(work);
            Assert.True(thread == 0 && total == 0, $"{name}: {thread} bytes by the caller, {total} by all threads");
        }
    }
}
