using Microsoft.CodeAnalysis;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Diagnostics;

/// <summary>What is wrong with a declaration or a manifest, without a place in the source, so that moving it changes nothing.</summary>
/// <param name="Id">Of one of the <see cref="Descriptors"/>.</param>
/// <param name="Arguments">Of its message.</param>
internal sealed record Flaw(string Id, EquatableArray<string> Arguments)
{
    public static Flaw Of(DiagnosticDescriptor descriptor, params string[] arguments) => new(descriptor.Id, arguments);
}
