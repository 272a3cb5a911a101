using TinyLora.Inference;
using TinyLora.Kernels;

namespace TinyLora.Tests.Laws;

public class RecordedBitsTests
{
    public static TheoryData<string> InstructionSets() => [.. InstructionSet.All.Select(set => set.Name)];

    [SkippableTheory]
    [MemberData(nameof(InstructionSets))]
    public void Lantern_gives_the_recorded_bits(string name)
    {
        var set = InstructionSet.All.Single(s => s.Name == name);
        Skip.IfNot(set.IsSupported, $"{name}: the machine does not have it.");
        using var model = Model.Open(LanternFiles.Q8_0, new ModelOptions { InstructionSet = set, ThreadCount = 2 });
        var difference = LanternBits.FirstDifference(model, LanternFiles.Adapters);
        Assert.True(difference is null, difference);
    }
}
