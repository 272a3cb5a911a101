using System.Runtime.CompilerServices;

namespace TinyLora.Generators.Tests;

/// <summary>
/// Generated files as they were last reviewed: Snapshots/NAME/*.g.cs.txt. With <c>TINYLORA_UPDATE_SNAPSHOTS=1</c> in the environment a
/// test writes them instead; review the difference like any other source.
/// </summary>
internal static class Snapshot
{
    public static void Verify(string name, IReadOnlyDictionary<string, string> files, [CallerFilePath] string thisFile = "")
    {
        var folder = Path.Combine(Path.GetDirectoryName(thisFile)!, "Snapshots", name);
        if (Environment.GetEnvironmentVariable("TINYLORA_UPDATE_SNAPSHOTS") == "1") Write(folder, files);
        var expected = Directory.Exists(folder)
            ? Directory.GetFiles(folder, "*.txt").ToDictionary(path => Path.GetFileNameWithoutExtension(path), File.ReadAllText)
            : [];
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), files.Keys.Order(StringComparer.Ordinal));
        Assert.All(files, file => Assert.Equal(expected[file.Key], file.Value));
    }

    private static void Write(string folder, IReadOnlyDictionary<string, string> files)
    {
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        foreach (var (name, text) in files) File.WriteAllText(Path.Combine(folder, name + ".txt"), text);
    }
}
