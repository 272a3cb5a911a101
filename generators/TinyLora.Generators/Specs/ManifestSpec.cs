namespace TinyLora.Generators.Specs;

/// <summary>A manifest that was read without an error.</summary>
/// <param name="Model">File name of the model that it describes.</param>
/// <param name="Ranks">Ranks for classes that name none, ascending.</param>
internal sealed record ManifestSpec(string Model, ShapeSpec Shape, FormatsSpec Formats, EquatableArray<int> Ranks);
