using TinyLora.Generators.Diagnostics;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Parsing;

/// <summary>A declaration with its manifest: the model, or what is wrong.</summary>
internal sealed record BoundModel(ModelSpec? Spec, EquatableArray<Flaw> Flaws);

/// <summary>Puts declarations and manifests together.</summary>
internal static class ModelBinder
{
    /// <param name="allowUnsafe">Whether the project allows unsafe blocks.</param>
    public static BoundModel Bind(Declaration declaration, IReadOnlyList<Manifest> manifests, bool allowUnsafe)
    {
        var flaws = new List<Flaw>(declaration.Flaws);
        if (!allowUnsafe) flaws.Add(Flaw.Of(Descriptors.UnsafeNotAllowed, declaration.TypeName));
        var named = manifests.Where(manifest => manifest.Name == declaration.ManifestName).ToArray();
        if (named.Length == 0) flaws.Add(Flaw.Of(Descriptors.ManifestNotFound, declaration.ManifestName, Names(manifests)));
        else if (named.Length > 1) flaws.Add(Flaw.Of(Descriptors.ManifestAmbiguous, declaration.ManifestName));
        else flaws.AddRange(named[0].Flaws);
        if (flaws.Count > 0 || named[0].Spec is not { } manifest) return new BoundModel(null, flaws.ToArray());

        var spec = new ModelSpec(
            declaration.Assembly,
            declaration.Namespace,
            declaration.TypeName,
            declaration.Accessibility,
            declaration.ManifestName,
            manifest.Model,
            manifest.Shape,
            DistinctLinears(manifest.Shape, manifest.Formats),
            manifest.Formats,
            declaration.Ranks.Count > 0 ? declaration.Ranks : manifest.Ranks);
        return new BoundModel(spec, EquatableArray<Flaw>.Empty);
    }

    private static LinearSpec[] DistinctLinears(ShapeSpec shape, FormatsSpec formats)
    {
        var order = new List<(int Rows, int Columns, WeightFormat Format)>();
        var roles = new Dictionary<(int, int, WeightFormat), SortedSet<LinearRole>>();
        foreach (var layer in formats.Layers)
        {
            for (var role = LinearRole.Query; role <= LinearRole.Down; role++) Use(role, layer[role]);
        }

        Use(LinearRole.Head, formats.Head);
        return [.. order.Select(linear => new LinearSpec(linear.Rows, linear.Columns, linear.Format, roles[linear].ToArray()))];

        void Use(LinearRole role, WeightFormat format)
        {
            var linear = (shape.Rows(role), shape.Columns(role), format);
            if (!roles.TryGetValue(linear, out var users))
            {
                roles.Add(linear, users = []);
                order.Add(linear);
            }

            users.Add(role);
        }
    }

    private static string Names(IReadOnlyList<Manifest> manifests) => manifests.Count == 0
        ? "no manifest"
        : string.Join(", ", manifests.Select(manifest => $"'{manifest.Name}'").OrderBy(name => name, StringComparer.Ordinal));
}
