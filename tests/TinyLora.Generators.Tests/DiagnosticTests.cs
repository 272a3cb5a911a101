using System.Text.Json.Nodes;
using Microsoft.CodeAnalysis;

namespace TinyLora.Generators.Tests;

public class DiagnosticTests
{
    [Theory]
    [InlineData("TL0001", "public class Tiny;", "'Tiny' must be partial")]
    [InlineData("TL0002", "partial class Outer { ATTRIBUTE partial class Tiny; }", "'Outer'")]
    [InlineData("TL0003", "partial class Tiny<T>;", "type parameters")]
    [InlineData("TL0004", "partial class Tiny : Base; class Base;", "'Game.Base'")]
    [InlineData("TL0005", "static partial class Tiny;", "static")]
    [InlineData("TL0005", "abstract partial class Tiny;", "abstract")]
    [InlineData("TL0005", "partial record Tiny;", "a record")]
    [InlineData("TL0005", "file partial class Tiny;", "local to its file")]
    public void A_class_of_the_wrong_kind_is_refused(string id, string declaration, string expected)
    {
        const string attribute = "[LoraModel(\"tiny.model.json\")]";
        var text = declaration.Contains("ATTRIBUTE") ? declaration.Replace("ATTRIBUTE", attribute) : attribute + " " + declaration;
        AssertOne(Fixtures.Run("using TinyLora;\nnamespace Game;\n" + text), id, expected, at: attribute.Trim('[', ']'));
    }

    [Fact]
    public void A_project_without_unsafe_blocks_is_told_so() => AssertOne(
        new GeneratorRun([Fixtures.Source], allowUnsafe: false, (Fixtures.ManifestPath, Fixtures.ManifestJson)), "TL0006", "<AllowUnsafeBlocks>true");

    [Fact]
    public void A_manifest_that_is_not_there_lists_those_that_are() => AssertOne(
        new GeneratorRun(Fixtures.Source, ("/game/b.model.json", Fixtures.ManifestJson), ("/game/a.model.json", Fixtures.ManifestJson), ("/game/c.json", "")),
        "TL0007", "'tiny.model.json' is among the AdditionalFiles, which hold 'a.model.json', 'b.model.json':");

    [Fact]
    public void A_project_without_manifests_says_no_manifest() =>
        AssertOne(new GeneratorRun(Fixtures.Source), "TL0007", "no manifest");

    [Fact]
    public void Two_manifests_of_one_name_are_ambiguous() => AssertOne(
        new GeneratorRun(Fixtures.Source, ("/game/a/tiny.model.json", Fixtures.ManifestJson), ("/game/b/tiny.model.json", Fixtures.ManifestJson)),
        "TL0008", "'tiny.model.json'");

    [Fact]
    public void An_unknown_architecture_is_named() =>
        AssertOne(Fixtures.Run(manifest: Fixtures.Manifest(json => json["architecture"] = "gemma2")), "TL0010", "'gemma2', which is not supported: llama, qwen2, qwen3 are");

    [Fact]
    public void An_unknown_format_is_named_with_its_tensor() => AssertOne(
        Fixtures.Run(manifest: Fixtures.Manifest(json => json["tensors"]!["layers"]![1]!["up"] = "IQ2_XS")),
        "TL0011", "tensors.layers[1].up: weight format 'IQ2_XS' is not supported: F32,");

    [Theory]
    [InlineData("0", "TL0012", "Rank 0 of 'Tiny'")]
    [InlineData("-8", "TL0012", "Rank -8 of 'Tiny'")]
    [InlineData("257", "TL0012", "Rank 257 of 'Tiny'")]
    [InlineData("8, 4, 8", "TL0013", "Rank 8 of 'Tiny'")]
    public void Ranks_of_the_attribute_are_checked(string ranks, string id, string expected) =>
        AssertOne(Fixtures.Run(Fixtures.Source.Replace("8, 16", ranks)), id, expected);

    [Theory]
    [InlineData("TL0012", "Rank 300 of manifest 'tiny.model.json'", 300)]
    [InlineData("TL0013", "Rank 4 of manifest 'tiny.model.json'", 4, 4)]
    public void Ranks_of_the_manifest_are_checked(string id, string expected, params int[] ranks) => AssertOne(
        Fixtures.Run(manifest: Fixtures.Manifest(json => json["ranks"] = new JsonArray([.. ranks.Select(rank => (JsonNode)rank)]))), id, expected);

    [Fact]
    public void Every_diagnostic_has_a_page_and_says_what_is_wrong()
    {
        var run = new GeneratorRun(Fixtures.Source);
        var descriptor = Assert.Single(run.Diagnostics).Descriptor;
        Assert.EndsWith("#tl0007", descriptor.HelpLinkUri);
        Assert.Equal(DiagnosticSeverity.Error, descriptor.DefaultSeverity);
    }

    [Fact]
    public void A_flawed_model_generates_nothing() => Assert.Empty(new GeneratorRun(Fixtures.Source).Files);

    private static void AssertOne(GeneratorRun run, string id, string expected, string? at = null)
    {
        var diagnostic = Assert.Single(run.Diagnostics);
        Assert.Equal(id, diagnostic.Id);
        Assert.Contains(expected, diagnostic.GetMessage());
        Assert.Empty(run.Files);

        // It stands at the attribute, and nowhere else.
        var place = diagnostic.Location.GetLineSpan();
        Assert.Equal("/game/Source0.cs", place.Path);
        var source = run.Output.SyntaxTrees.First().GetText();
        var marked = source.ToString(diagnostic.Location.SourceSpan);
        Assert.StartsWith("LoraModel(\"tiny.model.json\"", marked);
        Assert.EndsWith(")", marked);
        if (at != null) Assert.Equal(at, marked);
        Assert.Equal(source.Lines.GetLinePositionSpan(diagnostic.Location.SourceSpan), place.Span);
    }
}
