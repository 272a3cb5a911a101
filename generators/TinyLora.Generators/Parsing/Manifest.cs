using TinyLora.Generators.Diagnostics;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Parsing;

/// <summary>A manifest among the additional files: what it says, or what is wrong with it.</summary>
/// <param name="Name">Its file name, by which an attribute finds it.</param>
internal sealed record Manifest(string Name, ManifestSpec? Spec, EquatableArray<Flaw> Flaws)
{
    public const string Extension = ".model.json";
}
