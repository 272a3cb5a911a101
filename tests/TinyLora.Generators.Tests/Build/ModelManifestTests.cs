using System.Text;
using TinyLora.Generators.Parsing;
using TinyLora.Numerics;
using TinyLora.Weights;
using Formats = TinyLora.Generators.Specs.WeightFormat;
using Specs = TinyLora.Generators.Specs;

namespace TinyLora.Generators.Tests.Build;

/// <summary>What the runtime writes, the generator reads.</summary>
public class ModelManifestTests
{
    [Fact]
    public void The_generator_reads_back_every_number()
    {
        var text = Write(4, 8);
        var manifest = ManifestParser.Parse("tiny.model.json", text);
        Assert.Empty(manifest.Flaws);
        var spec = manifest.Spec!;
        Assert.Equal("tiny.gguf", spec.Model);
        Assert.Equal([4, 8], spec.Ranks);
        Assert.Equal(
            new Specs.ShapeSpec
            {
                Architecture = "qwen3", HiddenSize = 64, IntermediateSize = 256, LayerCount = 4, HeadCount = 4, KeyValueHeadCount = 2, HeadSize = 32,
                VocabularySize = 512, ContextLength = 128, RmsNormEpsilon = 1.1e-6f, RopeTheta = 1000000.1, RotaryLayout = Specs.RotaryLayout.Halves,
                SlidingWindow = 32, SlidingWindowFirstLayer = 1, TiedEmbedding = true, HasQueryKeyNorm = true,
            },
            spec.Shape);
        Assert.Equal((Formats.BF16, Formats.BF16), (spec.Formats.Embedding, spec.Formats.Head));
        Assert.Equal([Formats.Q4_K, Formats.Q6_K, Formats.Q6_K, Formats.Q4_K], spec.Formats.Layers.Select(layer => layer.Down));
        Assert.Equal(new Specs.LayerFormatsSpec(Formats.F32, Formats.F16, Formats.Q8_0, Formats.Q4_0, Formats.Q4_1, Formats.Q5_0, Formats.Q4_K), spec.Formats.Layers[3]);
    }

    [Fact]
    public void Every_element_type_of_the_runtime_is_a_format_of_the_generator_of_equal_size()
    {
        Assert.Equal(Enum.GetNames<ElementType>(), Enum.GetNames<Formats>());
        foreach (var type in Enum.GetValues<ElementType>())
        {
            Assert.True(Specs.WeightFormats.TryParse(type.ToString(), out var format));
            Assert.Equal((type.BlockSize(), type.BlockBytes(), type.IsQuantized()), (Specs.WeightFormats.BlockSize(format), Specs.WeightFormats.BlockBytes(format), Specs.WeightFormats.IsQuantized(format)));
        }
    }

    [Fact]
    public void The_text_is_the_same_on_every_machine()
    {
        var text = Write();
        Assert.StartsWith("{\n  \"format\": 1,\n  \"model\": \"tiny.gguf\",\n  \"architecture\": \"qwen3\",\n", text);
        Assert.EndsWith("}\n", text);
        Assert.DoesNotContain('\r', text);
        Assert.Equal(["1", "2", "1"], System.Text.RegularExpressions.Regex.Matches(text, "\"count\": (.)").Select(match => match.Groups[1].Value));
    }

    [Theory]
    [InlineData("Rank 0 is not between 1 and 256", 0)]
    [InlineData("Rank 257 is not between 1 and 256", 8, 257)]
    [InlineData("Rank 8 is named twice", 8, 4, 8)]
    public void Bad_ranks_are_the_callers_mistake(string expected, params int[] ranks)
    {
        var error = Assert.Throws<ArgumentException>(() => ModelManifest.Write("none.gguf", ranks, Stream.Null));
        Assert.Contains(expected, error.Message);
    }

    private static string Write(params int[] ranks)
    {
        var shape = new ModelShape
        {
            Architecture = "qwen3", HiddenSize = 64, IntermediateSize = 256, LayerCount = 4, HeadCount = 4, KeyValueHeadCount = 2, HeadSize = 32,
            VocabularySize = 512, ContextLength = 128, RmsNormEpsilon = 1.1e-6f, RopeTheta = 1000000.1, RotaryLayout = RotaryLayout.Halves,
            SlidingWindow = 32, SlidingWindowFirstLayer = 1, TiedEmbedding = true, HasQueryKeyNorm = true,
        };
        using var output = new MemoryStream();
        ModelManifest.Write(
            Path.Combine("models", "tiny.gguf"), shape, ElementType.BF16, ElementType.BF16, [Layer(ElementType.Q4_K), Layer(ElementType.Q6_K), Layer(ElementType.Q6_K), Layer(ElementType.Q4_K)], ranks, output);
        return Encoding.UTF8.GetString(output.ToArray());
    }

    private static LayerWeights Layer(ElementType down) => new()
    {
        Query = new Linear { Type = ElementType.F32 },
        Key = new Linear { Type = ElementType.F16 },
        Value = new Linear { Type = ElementType.Q8_0 },
        Output = new Linear { Type = ElementType.Q4_0 },
        Gate = new Linear { Type = ElementType.Q4_1 },
        Up = new Linear { Type = ElementType.Q5_0 },
        Down = new Linear { Type = down },
    };
}
