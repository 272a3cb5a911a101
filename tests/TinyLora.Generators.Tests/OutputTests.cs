using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace TinyLora.Generators.Tests;

public partial class OutputTests
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

    [Theory]
    [InlineData(null, "Vector128 Neon NeonDot Avx2 Avx2Vnni Avx512")]
    [InlineData("", "Vector128 Neon NeonDot Avx2 Avx2Vnni Avx512")]
    [InlineData("any", "Vector128 Neon NeonDot Avx2 Avx2Vnni Avx512")]
    [InlineData("linux-riscv64", "Vector128 Neon NeonDot Avx2 Avx2Vnni Avx512")]
    [InlineData("linux-musl-x64", "Vector128 Avx2 Avx2Vnni Avx512")]
    [InlineData("win-x64", "Vector128 Avx2 Avx2Vnni Avx512")]
    [InlineData("osx-arm64", "Vector128 Neon NeonDot")]
    [InlineData("linux-bionic-arm64", "Vector128 Neon NeonDot")]
    public void Kernels_are_those_that_the_processor_of_the_build_may_have(string? runtimeIdentifier, string expected)
    {
        var run = Fixtures.Run(SmallSource, Fixtures.SmallManifestJson).BuildFor(runtimeIdentifier);
        Assert.NotEmpty(run.Files);
        var sets = expected.Split(' ');
        Assert.All(run.Files.Values, text => Assert.Equal(sets, KernelStruct().Matches(text).Select(match => match.Groups[1].Value)));
        Assert.Equal([.. sets, "Scalar"], RunOf().Matches(run.Files["Game.Tiny.g.cs"]).Select(match => match.Groups[1].Value));
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

    [GeneratedRegex(@"partial struct (\w+)Kernels\b")]
    private static partial Regex KernelStruct();

    [GeneratedRegex(@"\bRun<(\w+)Kernels>")]
    private static partial Regex RunOf();
}
