using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace TinyLora.Generators.Diagnostics;

/// <summary>A place in the source that keeps neither its tree nor its compilation alive.</summary>
internal sealed record Place(string Path, TextSpan Span, LinePositionSpan Lines)
{
    public static Place Of(SyntaxNode node) =>
        new(node.SyntaxTree.FilePath, node.Span, node.SyntaxTree.GetLineSpan(node.Span).Span);
}

/// <summary>A flaw and the attribute that it is reported at.</summary>
internal sealed record LocatedFlaw(Flaw Flaw, Place Place)
{
    public Diagnostic ToDiagnostic() => Diagnostic.Create(
        Descriptors.Of(Flaw.Id),
        Location.Create(Place.Path, Place.Span, Place.Lines),
        Flaw.Arguments.Cast<object>().ToArray());
}
