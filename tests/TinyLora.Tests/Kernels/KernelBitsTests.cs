using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tests.Oracles;

namespace TinyLora.Tests.Kernels;

/// <summary>Every kernel whose sizes are parameters equals the scalar twin to the last bit, in memory that ends at a guard page.</summary>
public sealed class KernelBitsTests
{
    public static TheoryData<string, ElementType> Cases()
    {
        var data = new TheoryData<string, ElementType>();
        foreach (var set in InstructionSet.All)
            if (set != InstructionSet.Scalar)
                foreach (var type in Enum.GetValues<ElementType>())
                    data.Add(set.Name, type);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void EqualsTheTwin(string name, ElementType type)
    {
        var set = InstructionSet.All.Single(s => s.Name == name);
        Skip.IfNot(set.IsSupported, $"this machine has no {name}");
        var difference = KernelComparison.FirstDifference(set, type);
        Assert.True(difference == null, difference);
    }
}
