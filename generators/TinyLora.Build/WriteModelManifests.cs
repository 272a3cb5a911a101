using System.Globalization;
using Microsoft.Build.Framework;
using TinyLora.Weights;
using Task = Microsoft.Build.Utilities.Task;

namespace TinyLora.Build;

/// <summary>
/// Writes the manifests of the models that a project names, by the runtime's own reader. A manifest that would not change is not
/// touched, so that nothing that depends on it is done again.
/// </summary>
public sealed class WriteModelManifests : Task
{
    /// <summary>The models: GGUF files or Hugging Face folders, with metadata <c>ManifestPath</c> and, if any, <c>Ranks</c> as in <c>8;16</c>.</summary>
    [Required]
    public ITaskItem[] Models { get; set; } = [];

    public override bool Execute()
    {
        var owners = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var model in Models)
        {
            var manifest = model.GetMetadata("ManifestPath");
            if (owners.TryAdd(manifest, model.ItemSpec)) Write(model, manifest);
            else Error("TL0104", model, $"its manifest '{Path.GetFileName(manifest)}' is also that of '{owners[manifest]}': give one of them another name by the metadata Manifest");
        }

        return !Log.HasLoggedErrors;
    }

    private void Write(ITaskItem model, string manifest)
    {
        if (ReadRanks(model) is not { } ranks) return;
        if (!File.Exists(model.ItemSpec) && !Directory.Exists(model.ItemSpec))
        {
            Error("TL0101", model, "there is no such file or folder");
            return;
        }

        try
        {
            // The path as the project gives it, so that messages say what its author wrote.
            using var content = new MemoryStream();
            ModelManifest.Write(model.ItemSpec, ranks, content);
            Replace(manifest, content.ToArray());
        }
        catch (InvalidDataException error)
        {
            Error("TL0102", model, error.Message);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Error("TL0105", model, error.Message);
        }
    }

    private int[]? ReadRanks(ITaskItem model)
    {
        var ranks = new SortedSet<int>();
        foreach (var text in model.GetMetadata("Ranks").Split([';', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var rank) || rank is < 1 or > ModelManifest.MaxRank)
            {
                Error("TL0103", model, $"rank '{text}' is no whole number from 1 to {ModelManifest.MaxRank}");
                return null;
            }

            if (!ranks.Add(rank))
            {
                Error("TL0103", model, $"rank {rank} is named twice");
                return null;
            }
        }

        return [.. ranks];
    }

    private void Replace(string path, byte[] content)
    {
        if (File.Exists(path) && File.ReadAllBytes(path).AsSpan().SequenceEqual(content)) return;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        File.WriteAllBytes(path, content);
        Log.LogMessage(MessageImportance.Normal, "Wrote '{0}'.", path);
    }

    private void Error(string code, ITaskItem model, string what) => Log.LogError(
        subcategory: null, code, helpKeyword: null, file: model.GetMetadata("DefiningProjectFullPath"), 0, 0, 0, 0, "LoraModel '{0}': {1}", model.ItemSpec, what);
}
