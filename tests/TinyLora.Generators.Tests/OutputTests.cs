using Microsoft.CodeAnalysis;

namespace TinyLora.Generators.Tests;

public class OutputTests
{
    private static readonly string SmallSource = Fixtures.Source.Replace("[8, 16]", "[4]");

    [Fact]
    public void Generated_code_compiles_against_the_runtime_without_a_warning()
    {
        var run = Fixtures.Run(SmallSource, Fixtures.SmallManifestJson);
        Assert.Empty(run.Diagnostics);
        Assert.NotEmpty(run.Files);
        Assert.Empty(run.Output.GetDiagnostics().Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning));
    }

    [Fact]
    public void Two_classes_may_share_a_manifest_in_one_project()
    {
        var run = Fixtures.Run(Fixtures.Source + "\n[LoraModel(\"tiny.model.json\")] internal partial class Other;");
        Assert.Empty(run.Diagnostics);
        Assert.Contains("Game.Tiny.g.cs", run.Files.Keys);
        Assert.Contains("Game.Other.g.cs", run.Files.Keys);
    }

    [Fact]
    public void The_same_input_gives_the_same_files_under_any_culture()
    {
        var culture = Thread.CurrentThread.CurrentCulture;
        var expected = Fixtures.Run().Files;
        try
        {
            // Its own digits aside, this one writes a comma in numbers and another minus sign.
            var other = (System.Globalization.CultureInfo)culture.Clone();
            other.NumberFormat.NegativeSign = "~";
            other.NumberFormat.NumberDecimalSeparator = ",";
            Thread.CurrentThread.CurrentCulture = other;
            Assert.Equal(expected, Fixtures.Run().Files);
        }
        finally
        {
            Thread.CurrentThread.CurrentCulture = culture;
        }
    }

    [Fact]
    public void Files_end_lines_alike_everywhere() =>
        Assert.All(Fixtures.Run().Files.Values, text => Assert.True(text.EndsWith('\n') && !text.Contains('\r')));

    [Fact]
    public void The_files_are_those_of_the_snapshots() => Snapshot.Verify("Tiny", Fixtures.Run(SmallSource, Fixtures.SmallManifestJson).Files);
}
