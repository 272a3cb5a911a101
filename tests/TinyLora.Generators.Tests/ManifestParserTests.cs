using System.Text.Json.Nodes;
using TinyLora.Generators.Parsing;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Tests;

public class ManifestParserTests
{
    [Fact]
    public void A_manifest_is_read_whole()
    {
        var manifest = ManifestParser.Parse("/any/tiny.model.json", Fixtures.ManifestJson);
        Assert.Equal("tiny.model.json", manifest.Name);
        Assert.Empty(manifest.Flaws);
        var spec = manifest.Spec!;
        Assert.Equal("tiny.gguf", spec.Model);
        Assert.Equal([4], spec.Ranks);
        Assert.Equal(
            new ShapeSpec
            {
                Architecture = "llama", HiddenSize = 64, IntermediateSize = 256, LayerCount = 2, HeadCount = 4, KeyValueHeadCount = 2, HeadSize = 16,
                VocabularySize = 512, ContextLength = 128, RmsNormEpsilon = 1e-5f, RopeTheta = 10000, RotaryLayout = RotaryLayout.Interleaved,
            },
            spec.Shape);
        Assert.Equal((WeightFormat.F16, WeightFormat.Q8_0, 2), (spec.Formats.Embedding, spec.Formats.Head, spec.Formats.Layers.Count));
        Assert.Equal((WeightFormat.Q8_0, WeightFormat.Q6_K), (spec.Formats.Layers[0].Down, spec.Formats.Layers[1].Down));
    }

    [Fact]
    public void Every_field_is_required_and_named_when_it_is_missing()
    {
        var names = JsonNode.Parse(Fixtures.ManifestJson)!.AsObject().Select(field => field.Key).ToArray();
        Assert.Equal(20, names.Length);
        Assert.All(names, name => AssertFlaw(Fixtures.Manifest(json => json.Remove(name)), name, "missing"));
    }

    [Fact]
    public void Every_field_has_a_kind()
    {
        var fields = JsonNode.Parse(Fixtures.ManifestJson)!.AsObject();
        Assert.All(fields, field =>
        {
            JsonNode wrong = field.Value is JsonValue value && value.TryGetValue<string>(out _) ? 7 : "seven";
            AssertFlaw(Fixtures.Manifest(json => json[field.Key] = wrong), field.Key, "expected");
        });
    }

    [Theory]
    [InlineData("format", 2, "from 1 to 1")]
    [InlineData("hiddenSize", 0, "from 1 to")]
    [InlineData("hiddenSize", 63, "63 columns are no whole number of blocks of Q8_0", "tensors.head")]
    [InlineData("intermediateSize", 16777217, "from 1 to 16777216")]
    [InlineData("layerCount", 3, "2 layers are listed, layerCount is 3", "tensors.layers")]
    [InlineData("headCount", 3, "3 heads are no multiple of 2", "keyValueHeadCount")]
    [InlineData("headSize", 15, "15 is odd")]
    [InlineData("headSize", 8388608, "more than 16777216")]
    [InlineData("rmsNormEpsilon", -1, "above 0")]
    [InlineData("ropeTheta", 0, "above 0")]
    [InlineData("tiedEmbedding", true, "Q8_0 is not the format of the embedding that it is tied to, F16", "tensors.head")]
    [InlineData("rotaryLayout", "quarters", "'quarters' is neither")]
    [InlineData("typo", 1, "not known")]
    public void Values_are_checked(string name, object value, string expected, string? field = null) =>
        AssertFlaw(Fixtures.Manifest(json => json[name] = JsonValue.Create(value)), field ?? name, expected);

    [Fact]
    public void Fields_of_tensors_are_checked_too()
    {
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!.AsObject().Remove("head")), "tensors.head", "missing");
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!["layers"]![1]!.AsObject().Remove("gate")), "tensors.layers[1].gate", "missing");
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!["layers"]![0]!["bias"] = "F32"), "tensors.layers[0].bias", "not known");
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!["layers"]![0]!["count"] = 0), "tensors.layers[0].count", "from 1 to 4096");
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!["layers"]![1]!["count"] = 4096), "tensors.layers[1].count", "more than 4096 layers");
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!["layers"]![1]!["count"] = 5), "tensors.layers", "6 layers are listed, layerCount is 2");
        AssertFlaw(Fixtures.Manifest(json => json["tensors"]!["layers"]![1] = 3), "tensors.layers[1]", "object");
        AssertFlaw(Fixtures.Manifest(json => json["ranks"] = new JsonArray(8, "x")), "ranks[1]", "whole number");
    }

    [Fact]
    public void All_that_is_wrong_is_found_at_once()
    {
        var manifest = ManifestParser.Parse("m", Fixtures.Manifest(json => (json["hiddenSize"], json["headCount"]) = ("x", null)));
        Assert.Equal(["hiddenSize", "headCount"], manifest.Flaws.Select(flaw => flaw.Arguments[1]));
    }

    [Theory]
    [InlineData("", "line 1, column 1: the text ends too early")]
    [InlineData("[]", "an object is expected")]
    [InlineData("{\n  \"format\": 1,\n}", "line 3, column 1: '\"' is expected")]
    [InlineData("{\"a\":1 \"b\":2}", "line 1, column 8: ',' is expected")]
    [InlineData("{\"a\":1,\"a\":2}", "stands twice")]
    [InlineData("{\"a\":tru}", "a value is expected")]
    [InlineData("{\"a\":01}", "a value is expected")]
    [InlineData("{\"a\":\"\\x\"}", "unknown escape")]
    [InlineData("{} {}", "unexpected text after the end")]
    [InlineData("{\"a\":[[[[[[[[[[[[[[[[[[[[", "too many levels")]
    public void Broken_text_is_refused_with_its_place(string text, string expected) => AssertFlaw(text, "JSON", expected);

    [Fact]
    public void Text_cut_off_anywhere_is_refused()
    {
        var text = Fixtures.ManifestJson;
        for (var length = 0; length < text.Length - 1; length++) Assert.NotEmpty(ManifestParser.Parse("m", text[..length]).Flaws);
    }

    [Fact]
    public void Strings_and_numbers_are_read_as_JSON_writes_them()
    {
        var values = (List<object?>)Json.Parse("""[ "a\"\\\/\b\n\u00e9", -0.5e+3, 0, true, false, null, {} , [] ]""")!;
        Assert.Equal("a\"\\/\b\né", values[0]);
        Assert.Equal(new JsonNumber("-0.5e+3"), values[1]);
        Assert.Equal((new JsonNumber("0"), true, false, (object?)null), ((JsonNumber)values[2]!, values[3], values[4], values[5]));
    }

    private static void AssertFlaw(string text, string field, string expected)
    {
        var manifest = ManifestParser.Parse("tiny.model.json", text);
        Assert.Null(manifest.Spec);
        Assert.Contains(manifest.Flaws, flaw => flaw.Arguments is ["tiny.model.json", var place, var what]
            && place == field && what.Contains(expected, StringComparison.Ordinal));
    }
}
