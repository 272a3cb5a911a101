using System.Reflection;
using System.Runtime.Loader;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using TinyLora.Generators.Diagnostics;
using TinyLora.Weights;
using Xunit.Abstractions;

namespace TinyLora.Generators.Tests;

/// <summary>What README shows is true.</summary>
public partial class ReadmeTests(ITestOutputHelper log)
{
    private static readonly string Repository = Fixtures.Repository().FullName;
    private static readonly string Readme = File.ReadAllText(Path.Combine(Repository, "README.md"));

    [SkippableFact]
    public void The_example_is_that_of_the_design() => Assert.Equal(Example(File.ReadAllText(Fixtures.Shared("DESIGN.md"))), Example(Readme));

    [Fact]
    public void The_example_runs_with_the_model_of_the_repository()
    {
        var lantern = Path.Combine(Repository, "samples", "lantern");
        Answers(Path.Combine(lantern, "lantern-3m-Q8_0.gguf"), Path.Combine(lantern, "adapters", "pirate", "adapter_model.safetensors"));
    }

    [SkippableFact]
    public void The_example_runs_with_its_own_model() =>
        Answers(Fixtures.Shared("models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"), Fixtures.Shared("golden/training/adapters/smollm2-pirate-r16/adapter_model.safetensors"));

    [Fact]
    public void Every_diagnostic_has_its_place_in_README()
    {
        var ids = typeof(Descriptors).GetFields(BindingFlags.Static | BindingFlags.Public).Select(field => field.GetValue(null)).OfType<DiagnosticDescriptor>()
            .Select(descriptor => descriptor.Id)
            .Concat(Directory.GetFiles(Path.Combine(Repository, "generators", "TinyLora.Build"), "*.cs").SelectMany(file => Identifier().Matches(File.ReadAllText(file))).Select(match => match.Value))
            .Concat(Identifier().Matches(File.ReadAllText(Path.Combine(Repository, "src", "TinyLora", "build", "TinyLora.targets"))).Select(match => match.Value))
            .ToHashSet();
        Assert.NotEmpty(ids);
        string[] missing = [.. ids.Where(id => !Readme.Contains($"<a id=\"{id.ToLowerInvariant()}\"></a>{id}"))];
        Assert.Empty(missing);
        string[] unknown = [.. Identifier().Matches(Readme).Select(match => match.Value).Where(id => !ids.Contains(id))];
        Assert.Empty(unknown);
    }

    [Fact]
    public void Paths_in_README_are_there()
    {
        var paths = RepositoryPath().Matches(Readme).Select(match => match.Value).ToHashSet();
        Assert.NotEmpty(paths);
        string[] missing = [.. paths.Where(path => !Path.Exists(Path.Combine(Repository, path)))];
        Assert.Empty(missing);
    }

    /// <summary>The example draws its tokens with a seed of its own each time: it has to say something, and only that is certain.</summary>
    private void Answers(string model, string adapter)
    {
        var said = Run(model, adapter);
        log.WriteLine(said);
        Assert.InRange(said.Count(char.IsLetter), 4, 10_000);
    }

    /// <summary>The first block of C#.</summary>
    private static string Example(string markdown)
    {
        var start = markdown.IndexOf("```csharp\n", StringComparison.Ordinal) + "```csharp\n".Length;
        return markdown[start..markdown.IndexOf("```", start, StringComparison.Ordinal)];
    }

    /// <summary>Compiles README's example as a project with the usings of the package does, its file names replaced, and gives what it writes.</summary>
    private static string Run(string model, string adapter)
    {
        using var manifest = new MemoryStream();
        ModelManifest.Write(model, [], manifest);
        // The declaration and the program, which are two files of a project.
        var parts = Example(Readme).Split("\n\n", 2);
        Assert.Contains("\"SmolLM2-135M-Instruct-Q4_1.gguf\"", parts[1]);
        Assert.Contains("\"pirate.safetensors\"", parts[1]);
        var program = parts[1].Replace("\"SmolLM2-135M-Instruct-Q4_1.gguf\"", SymbolDisplay.FormatLiteral(model, quote: true))
            .Replace("\"pirate.safetensors\"", SymbolDisplay.FormatLiteral(adapter, quote: true));
        var run = new GeneratorRun([Usings(), parts[0], program], allowUnsafe: true, ("obj/SmolLM2-135M-Instruct.model.json", Encoding.UTF8.GetString(manifest.ToArray())));
        Assert.Empty(run.Diagnostics);
        var options = (CSharpCompilationOptions)run.Output.Options;
        using var assembly = new MemoryStream();
        var result = run.Output.WithOptions(options.WithOutputKind(OutputKind.ConsoleApplication).WithOptimizationLevel(OptimizationLevel.Release)).Emit(assembly);
        Assert.Empty(result.Diagnostics.Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning));
        assembly.Position = 0;
        var context = new AssemblyLoadContext("example", isCollectible: true);
        var console = Console.Out;
        using var said = new StringWriter();
        try
        {
            Console.SetOut(said);
            context.LoadFromStream(assembly).EntryPoint!.Invoke(null, [Array.Empty<string>()]);
        }
        finally
        {
            Console.SetOut(console);
            context.Unload();
        }
        return said.ToString();
    }

    /// <summary>The usings of the SDK and of the package.</summary>
    private static string Usings()
    {
        var package = XDocument.Load(Path.Combine(Repository, "src", "TinyLora", "build", "TinyLora.props")).Descendants("Using").Select(element => element.Attribute("Include")!.Value);
        string[] sdk = ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks"];
        return string.Concat(sdk.Concat(package).Select(name => $"global using {name};\n"));
    }

    [GeneratedRegex(@"\bTL0\d{3}\b")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"\b(src|generators|tests|bench|samples)/[\w./-]*\w")]
    private static partial Regex RepositoryPath();
}
