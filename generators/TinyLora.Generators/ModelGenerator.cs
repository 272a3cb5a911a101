using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using TinyLora.Generators.Diagnostics;
using TinyLora.Generators.Emitting;
using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Parsing;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators;

/// <summary>
/// Writes the kernels and the class of every model that the source declares by <c>[LoraModel]</c>, and for the runtime itself the
/// kernels whose sizes are parameters. Every step's result is a value, so that an edit redoes only the steps it concerns; the files
/// are values too, so that a new rank leaves those that do not depend on it untouched.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class ModelGenerator : IIncrementalGenerator
{
    public const string LoraModelAttribute = "TinyLora.LoraModelAttribute";
    public const string ParametricKernelsAttribute = "TinyLora.Kernels.ParametricKernelsAttribute";

    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var manifests = context.AdditionalTextsProvider
            .Where(static file => file.Path.EndsWith(Manifest.Extension, StringComparison.OrdinalIgnoreCase))
            .Select(static (file, cancellation) => ManifestParser.Parse(file.Path, file.GetText(cancellation)?.ToString()))
            .WithTrackingName(Steps.Manifests)
            .Collect();

        var allowUnsafe = context.CompilationProvider
            .Select(static (compilation, _) => compilation.Options is CSharpCompilationOptions { AllowUnsafe: true });

        var processor = context.AnalyzerConfigOptionsProvider
            .Select(static (options, _) => RuntimeIdentifier.Processor(options.GlobalOptions.TryGetValue(RuntimeIdentifier.Option, out var identifier) ? identifier : null));

        var declarations = context.SyntaxProvider
            .ForAttributeWithMetadataName(LoraModelAttribute, static (node, _) => node is TypeDeclarationSyntax, Declaration.Read)
            .WithTrackingName(Steps.Declarations);

        var models = declarations
            .Select(static (located, _) => located.Declaration)
            .Combine(manifests).Combine(allowUnsafe)
            .Select(static (input, _) => ModelBinder.Bind(input.Left.Left, input.Left.Right, input.Right))
            .WithTrackingName(Steps.Models);

        var modelFiles = models
            .Combine(processor)
            .SelectMany(static (input, _) => input.Left.Spec is { } spec ? ModelEmitter.Emit(spec, VectorSet.Of(input.Right)).Select(ToFile) : [])
            .WithTrackingName(Steps.ModelFiles);

        var parametricFiles = context.SyntaxProvider
            .ForAttributeWithMetadataName(ParametricKernelsAttribute, static (node, _) => node is TypeDeclarationSyntax, ReadName)
            .WithTrackingName(Steps.ParametricClasses)
            .SelectMany(static (name, _) => ParametricEmitter.Emit(name.Assembly, name.Namespace, name.TypeName).Select(ToFile))
            .WithTrackingName(Steps.ParametricFiles);

        // Apart from the models: a place changes with every line above it.
        var flaws = declarations
            .Combine(manifests).Combine(allowUnsafe)
            .SelectMany(static (input, _) => ModelBinder.Bind(input.Left.Left.Declaration, input.Left.Right, input.Right)
                .Flaws.Select(flaw => new LocatedFlaw(flaw, input.Left.Left.Place)))
            .WithTrackingName(Steps.Flaws);

        context.RegisterSourceOutput(modelFiles, AddSource);
        context.RegisterSourceOutput(parametricFiles, AddSource);
        context.RegisterSourceOutput(flaws, static (output, flaw) => output.ReportDiagnostic(flaw.ToDiagnostic()));
    }

    private static void AddSource(SourceProductionContext output, GeneratedFile file) => output.AddSource(file.HintName, file.Source);

    private static GeneratedFile ToFile((string HintName, string Source) file) => new(file.HintName, file.Source);

    private static (string Assembly, string Namespace, string TypeName) ReadName(GeneratorAttributeSyntaxContext context, CancellationToken cancellation) =>
        (context.TargetSymbol.ContainingAssembly.Name, context.TargetSymbol.ContainingNamespace.ToDisplayString(), context.TargetSymbol.Name);

    /// <summary>Names of the steps, for tests of what is done again after an edit.</summary>
    internal static class Steps
    {
        public const string Manifests = nameof(Manifests);
        public const string Declarations = nameof(Declarations);
        public const string Models = nameof(Models);
        public const string ModelFiles = nameof(ModelFiles);
        public const string ParametricClasses = nameof(ParametricClasses);
        public const string ParametricFiles = nameof(ParametricFiles);
        public const string Flaws = nameof(Flaws);
    }
}
