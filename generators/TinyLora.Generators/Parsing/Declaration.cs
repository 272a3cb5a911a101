using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using TinyLora.Generators.Diagnostics;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Parsing;

/// <summary>What the source says of a model: its class and the attribute's arguments.</summary>
/// <param name="Assembly">Name of the assembly that the class is part of.</param>
/// <param name="Ranks">Ascending; empty where the attribute names none.</param>
/// <param name="Flaws">What is wrong with the class or the arguments themselves.</param>
internal sealed record Declaration(
    string Assembly, string Namespace, string TypeName, string Accessibility, string ManifestName, EquatableArray<int> Ranks, EquatableArray<Flaw> Flaws)
{
    /// <summary>The declaration, and the attribute's place, which later steps must not see.</summary>
    public static LocatedDeclaration Read(GeneratorAttributeSyntaxContext context, CancellationToken cancellation)
    {
        var type = (INamedTypeSymbol)context.TargetSymbol;
        var node = (TypeDeclarationSyntax)context.TargetNode;
        var attribute = context.Attributes[0];
        var flaws = new List<Flaw>(ClassFlaws(type, node));
        var manifest = attribute.ConstructorArguments.FirstOrDefault().Value as string ?? "";
        var ranks = attribute.NamedArguments.FirstOrDefault(argument => argument.Key == "Ranks").Value is { Kind: TypedConstantKind.Array, IsNull: false } value
            ? RankList.Check(value.Values.Select(item => item.Value).OfType<int>(), $"of '{type.Name}'", flaws)
            : [];
        var declaration = new Declaration(
            type.ContainingAssembly.Name,
            type.ContainingNamespace.IsGlobalNamespace ? "" : type.ContainingNamespace.ToDisplayString(),
            type.Name,
            SyntaxFacts.GetText(type.DeclaredAccessibility),
            manifest,
            ranks,
            flaws.ToArray());
        var place = attribute.ApplicationSyntaxReference?.GetSyntax(cancellation) ?? node;
        return new LocatedDeclaration(declaration, Place.Of(place));
    }

    private static IEnumerable<Flaw> ClassFlaws(INamedTypeSymbol type, TypeDeclarationSyntax node)
    {
        if (!node.Modifiers.Any(SyntaxKind.PartialKeyword)) yield return Flaw.Of(Descriptors.NotPartial, type.Name);
        if (type.ContainingType is { } outer) yield return Flaw.Of(Descriptors.Nested, type.Name, outer.Name);
        if (type.IsGenericType) yield return Flaw.Of(Descriptors.Generic, type.Name);
        if (type.IsStatic) yield return Flaw.Of(Descriptors.NotPlain, type.Name, "static");
        else if (type.IsAbstract) yield return Flaw.Of(Descriptors.NotPlain, type.Name, "abstract");
        else if (type.IsRecord) yield return Flaw.Of(Descriptors.NotPlain, type.Name, "a record");
        else if (type.IsFileLocal) yield return Flaw.Of(Descriptors.NotPlain, type.Name, "local to its file");
        else if (type.BaseType is { SpecialType: not SpecialType.System_Object } other && other.ToDisplayString() != "TinyLora.Inference.Model")
        {
            yield return Flaw.Of(Descriptors.OtherBase, type.Name, other.ToDisplayString());
        }
    }
}

/// <summary>A declaration and the place of its attribute.</summary>
internal sealed record LocatedDeclaration(Declaration Declaration, Place Place);
