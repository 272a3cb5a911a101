using System.Text.RegularExpressions;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Repository;

/// <summary>Each folder of the runtime uses only what is above it.</summary>
public partial class LayersTests
{
    // From the top down; what stands in one line does not use each other.
    private static readonly string[][] Layers =
    [
        ["Errors", "Numerics"], ["Files"], ["Weights", "Tokenization"], ["Kernels"], ["Adapters"], ["Inference"], ["Sampling"], ["Conversation"],
    ];

    [Fact]
    public void Layers_use_only_what_is_above_them()
    {
        var wrong = Uses().Where(use => Level(use.Used) >= Level(use.Folder));
        Assert.Empty(wrong.Select(use => $"{use.Folder}/{use.File} uses {use.Used}"));
    }

    [Fact]
    public void Every_folder_with_code_has_its_layer() => Assert.Equal(
        Layers.SelectMany(layer => layer).Order(StringComparer.Ordinal),
        Directory.GetDirectories(Source).Where(folder => Directory.EnumerateFiles(folder, "*.cs").Any())
            .Select(folder => Path.GetFileName(folder)!).Where(name => name is not ("bin" or "obj")).Order(StringComparer.Ordinal));

    private static string Source { get; } = Path.Combine(Shared.Repository, "src", "TinyLora");

    private static int Level(string folder)
    {
        var level = Array.FindIndex(Layers, layer => layer.Contains(folder));
        return level >= 0 ? level : throw new InvalidOperationException($"{folder} has no layer.");
    }

    private static IEnumerable<(string Folder, string File, string Used)> Uses() =>
        from folder in Layers.SelectMany(layer => layer)
        from file in Directory.EnumerateFiles(Path.Combine(Source, folder), "*.cs", SearchOption.AllDirectories)
        from Match match in Used().Matches(File.ReadAllText(file))
        let used = match.Groups[1].Value
        where used != folder
        select (folder, Path.GetFileName(file), used);

    /// <summary>Using lines, and full names in the code; not the file's own namespace line, and not the name of a library in a text.</summary>
    [GeneratedRegex(@"(?<!namespace |"")\bTinyLora\.([A-Z]\w+)")]
    private static partial Regex Used();
}
