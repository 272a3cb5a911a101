using TinyLora.Generators.Diagnostics;
using TinyLora.Generators.Parsing;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Tests;

public class ModelBinderTests
{
    [Fact]
    public void Matrices_of_one_size_and_format_are_one_linear()
    {
        var spec = Bind().Spec!;
        Assert.Equal(
            ["64x64Q8_0 Query Output", "32x64Q8_0 Key Value", "256x64Q8_0 Gate Up", "64x256Q8_0 Down", "64x256Q6_K Down", "512x64Q8_0 Head"],
            spec.Linears.Select(linear => $"{linear.Name} {string.Join(' ', linear.Roles)}"));
        Assert.Equal("Game.Tiny", spec.HintName);
    }

    [Fact]
    public void Ranks_of_the_attribute_go_before_those_of_the_manifest()
    {
        Assert.Equal([4], Bind().Spec!.Ranks);
        Assert.Equal([2, 64], Bind(2, 64).Spec!.Ranks);
    }

    [Fact]
    public void Equal_models_are_equal_values()
    {
        Assert.Equal(Bind(8), Bind(8));
        Assert.Equal(Bind(8).GetHashCode(), Bind(8).GetHashCode());
        Assert.NotEqual(Bind(8), Bind(16));
    }

    private static BoundModel Bind(params int[] ranks) => ModelBinder.Bind(
        new Declaration("App", "Game", "Tiny", "public", "tiny.model.json", ranks, EquatableArray<Flaw>.Empty),
        [ManifestParser.Parse("tiny.model.json", Fixtures.ManifestJson)],
        allowUnsafe: true);
}
