namespace TinyLora.Generators.Specs;

/// <summary>A declared model: all that its generated class depends on.</summary>
/// <param name="Assembly">Name of the assembly that the class is part of.</param>
/// <param name="Namespace">Empty for the global namespace.</param>
/// <param name="Accessibility">public or internal.</param>
/// <param name="ManifestName">File name of the manifest.</param>
/// <param name="ModelName">File name of the model that the manifest was made from.</param>
/// <param name="Linears">The distinct matrices in the order of their first use.</param>
/// <param name="Formats">The format of every matrix, for the check when a file is opened.</param>
/// <param name="Ranks">Adapter ranks with kernels of their own, ascending; may be empty.</param>
internal sealed record ModelSpec(
    string Assembly,
    string Namespace,
    string TypeName,
    string Accessibility,
    string ManifestName,
    string ModelName,
    ShapeSpec Shape,
    EquatableArray<LinearSpec> Linears,
    FormatsSpec Formats,
    EquatableArray<int> Ranks)
{
    /// <summary>Begins the name of every generated file: unique to the class.</summary>
    public string HintName => Namespace.Length == 0 ? TypeName : Namespace + "." + TypeName;
}
