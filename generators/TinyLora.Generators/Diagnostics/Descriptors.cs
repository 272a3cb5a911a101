using Microsoft.CodeAnalysis;

namespace TinyLora.Generators.Diagnostics;

/// <summary>The diagnostics of the generator; an id never changes its meaning.</summary>
internal static class Descriptors
{
    public static readonly DiagnosticDescriptor NotPartial = Error(
        "TL0001", "A model's class must be partial",
        "'{0}' must be partial: the generator writes its other part");

    public static readonly DiagnosticDescriptor Nested = Error(
        "TL0002", "A model's class must not be nested",
        "'{0}' must not be nested in '{1}': declare it in a namespace");

    public static readonly DiagnosticDescriptor Generic = Error(
        "TL0003", "A model's class must not be generic",
        "'{0}' must not have type parameters");

    public static readonly DiagnosticDescriptor OtherBase = Error(
        "TL0004", "A model's class must have no other base class",
        "'{0}' must not derive from '{1}': its base class is TinyLora.Inference.Model");

    public static readonly DiagnosticDescriptor NotPlain = Error(
        "TL0005", "A model's class must be a plain class",
        "'{0}' must not be {1}");

    public static readonly DiagnosticDescriptor UnsafeNotAllowed = Error(
        "TL0006", "Generated kernels need unsafe blocks",
        "The kernels of '{0}' work on mapped memory: set <AllowUnsafeBlocks>true</AllowUnsafeBlocks> in the project");

    public static readonly DiagnosticDescriptor ManifestNotFound = Error(
        "TL0007", "The manifest is not among the project's AdditionalFiles",
        "No manifest '{0}' is among the AdditionalFiles, which hold {1}: add <LoraModel Include=\"path of the model\" /> to the project and build it, or add the manifest itself as <AdditionalFiles>");

    public static readonly DiagnosticDescriptor ManifestAmbiguous = Error(
        "TL0008", "Several manifests have the same name",
        "Several AdditionalFiles are named '{0}': give one of them another name");

    public static readonly DiagnosticDescriptor ManifestInvalid = Error(
        "TL0009", "The manifest is not valid",
        "Manifest '{0}', {1}: {2}");

    public static readonly DiagnosticDescriptor ArchitectureUnsupported = Error(
        "TL0010", "The model's architecture is not supported",
        "Manifest '{0}' is of a model of architecture '{1}', which is not supported: {2} are");

    public static readonly DiagnosticDescriptor FormatUnsupported = Error(
        "TL0011", "A weight format is not supported",
        "Manifest '{0}', {1}: weight format '{2}' is not supported: {3} are");

    public static readonly DiagnosticDescriptor RankOutOfRange = Error(
        "TL0012", "An adapter rank is out of range",
        "Rank {0} {1} is not between 1 and 256");

    public static readonly DiagnosticDescriptor RankRepeated = Error(
        "TL0013", "An adapter rank is named twice",
        "Rank {0} {1} is named twice");

    private static readonly Dictionary<string, DiagnosticDescriptor> ById = new DiagnosticDescriptor[]
    {
        NotPartial, Nested, Generic, OtherBase, NotPlain, UnsafeNotAllowed, ManifestNotFound, ManifestAmbiguous, ManifestInvalid,
        ArchitectureUnsupported, FormatUnsupported, RankOutOfRange, RankRepeated,
    }.ToDictionary(descriptor => descriptor.Id);

    public static DiagnosticDescriptor Of(string id) => ById[id];

    private static DiagnosticDescriptor Error(string id, string title, string message) => new(
        id,
        title,
        message,
        category: "TinyLora",
        DiagnosticSeverity.Error,
        isEnabledByDefault: true,
        helpLinkUri: "https://www.nuget.org/packages/TinyLora#" + id.ToLowerInvariant());
}
