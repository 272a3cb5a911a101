using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;

namespace TinyLora.Generators.Tests;

/// <summary>A compilation and the generator's driver, which remembers the earlier run.</summary>
internal sealed class GeneratorRun
{
    private static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.Latest);

    private static readonly ImmutableArray<MetadataReference> References =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Select(path => MetadataReference.CreateFromFile(path)),
    ];

    private GeneratorDriver _driver;
    private CSharpCompilation _compilation;
    private ImmutableDictionary<string, AdditionalText> _texts = ImmutableDictionary<string, AdditionalText>.Empty;

    public GeneratorRun(string source, params (string Path, string Text)[] additionalTexts)
        : this([source], true, additionalTexts)
    {
    }

    public GeneratorRun(string[] sources, bool allowUnsafe, params (string Path, string Text)[] additionalTexts)
    {
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: allowUnsafe, nullableContextOptions: NullableContextOptions.Enable);
        _compilation = CSharpCompilation.Create("Game", sources.Select((source, index) => Tree(source, index)), References, options);
        _texts = additionalTexts.ToImmutableDictionary(text => text.Path, text => (AdditionalText)new Text(text.Path, text.Text));
        _driver = CSharpGeneratorDriver.Create(
            [new ModelGenerator().AsSourceGenerator()],
            _texts.Values,
            ParseOptions,
            new Options(),
            driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));
        Run();
    }

    public GeneratorRunResult Result { get; private set; }

    public ImmutableArray<Diagnostic> Diagnostics { get; private set; }

    /// <summary>The compilation with the generated files.</summary>
    public Compilation Output { get; private set; } = null!;

    public Dictionary<string, string> Files => Result.GeneratedSources.ToDictionary(file => file.HintName, file => file.SourceText.ToString());

    /// <summary>Puts another text in the place of a source and runs again.</summary>
    public GeneratorRun Edit(int index, string source)
    {
        _compilation = _compilation.ReplaceSyntaxTree(_compilation.SyntaxTrees[index], Tree(source, index));
        return Run();
    }

    /// <summary>Puts another text in the place of an additional file and runs again.</summary>
    public GeneratorRun EditText(string path, string text)
    {
        var replacement = new Text(path, text);
        _driver = _driver.ReplaceAdditionalText(_texts[path], replacement);
        _texts = _texts.SetItem(path, replacement);
        return Run();
    }

    /// <summary>Builds for another runtime identifier, or for none, and runs again.</summary>
    public GeneratorRun BuildFor(string? runtimeIdentifier)
    {
        _driver = _driver.WithUpdatedAnalyzerConfigOptions(new Options(runtimeIdentifier));
        return Run();
    }

    /// <summary>Why each result of a step is what it is, in order.</summary>
    public IncrementalStepRunReason[] Reasons(string step) => Result.TrackedSteps.TryGetValue(step, out var runs)
        ? [.. runs.SelectMany(run => run.Outputs).Select(output => output.Reason)]
        : [];

    private static SyntaxTree Tree(string source, int index) =>
        CSharpSyntaxTree.ParseText(SourceText.From(source), ParseOptions, $"/game/Source{index}.cs");

    private GeneratorRun Run()
    {
        _driver = _driver.RunGeneratorsAndUpdateCompilation(_compilation, out var output, out var diagnostics);
        (Output, Diagnostics, Result) = (output, diagnostics, _driver.GetRunResult().Results.Single());
        Assert.Null(Result.Exception);
        return this;
    }

    /// <summary>What the build shows: its runtime identifier, or nothing.</summary>
    private sealed class Options(string? runtimeIdentifier = null) : AnalyzerConfigOptionsProvider
    {
        public override AnalyzerConfigOptions GlobalOptions { get; } = new Values(runtimeIdentifier);

        public override AnalyzerConfigOptions GetOptions(SyntaxTree tree) => GlobalOptions;

        public override AnalyzerConfigOptions GetOptions(AdditionalText textFile) => GlobalOptions;

        private sealed class Values(string? runtimeIdentifier) : AnalyzerConfigOptions
        {
            public override bool TryGetValue(string key, [NotNullWhen(true)] out string? value) =>
                (value = key == "build_property.RuntimeIdentifier" ? runtimeIdentifier : null) is not null;
        }
    }

    private sealed class Text(string path, string text) : AdditionalText
    {
        public override string Path => path;

        public override SourceText GetText(CancellationToken cancellationToken = default) => SourceText.From(text);
    }
}
