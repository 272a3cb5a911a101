using TinyLora.Inference;
using TinyLora.Kernels;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Kernels;

public class InstructionSetTests
{
    public static TheoryData<string> Names => [.. InstructionSet.All.Select(set => set.Name)];

    private static string Lantern => Path.Combine(Shared.Repository, "samples", "lantern", "lantern-3m-Q8_0.gguf");

    [Theory]
    [MemberData(nameof(Names))]
    public void A_name_gives_the_set_or_says_what_the_machine_lacks(string name)
    {
        var set = InstructionSet.All.Single(set => set.Name == name);
        if (set.IsSupported)
        {
            Assert.Same(set, InstructionSet.Find(name.ToUpperInvariant()));
            Assert.Same(set, InstructionSet.Choose(name));
            return;
        }

        var error = Assert.Throws<PlatformNotSupportedException>(() => InstructionSet.Find(name));
        Assert.StartsWith($"The instruction set {name} needs {set.Needs}, which this machine or this build does not have; it has scalar, vector128", error.Message);
        Assert.Equal(error.Message, Assert.Throws<PlatformNotSupportedException>(() => InstructionSet.Choose(name)).Message);
    }

    [Fact]
    public void No_machine_has_all() => Assert.Contains(InstructionSet.All, set => !set.IsSupported);

    [Fact]
    public void An_unknown_name_is_told_the_known_ones()
    {
        var error = Assert.Throws<ArgumentException>(() => InstructionSet.Choose("sse9"));
        Assert.Contains("no instruction set 'sse9'; known are scalar, vector128, neon, neon-dot, avx2, avx2-vnni, avx512", error.Message);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void Without_a_name_it_is_the_best(string? name) =>
        Assert.Same(InstructionSet.All.Last(set => set.IsSupported), InstructionSet.Choose(name));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_models_option_forces_one_or_is_refused(string name)
    {
        var set = InstructionSet.All.Single(set => set.Name == name);
        var options = new ModelOptions { InstructionSet = set, ThreadCount = 1 };
        if (set.IsSupported)
        {
            using var model = Model.Open(Lantern, options);
            Assert.Same(set, model.InstructionSet);
        }
        else
        {
            Assert.Contains(set.Needs, Assert.Throws<PlatformNotSupportedException>(() => Model.Open(Lantern, options)).Message);
        }
    }
}
