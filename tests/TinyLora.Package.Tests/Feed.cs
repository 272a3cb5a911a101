using System.IO.Compression;

namespace TinyLora.Package.Tests;

/// <summary>A folder with the packages, packed from what has been built, and the environment of who installs them.</summary>
public sealed class Feed : IDisposable
{
    public const string Version = "0.1.0";

#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif

    private static readonly string[] Projects = ["TinyLora", "TinyLora.Cli"];

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("tinylora-feed-");

    public Feed()
    {
        foreach (var project in Projects) Pack(project, Folder);
        var machinePackages = System.Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(System.Environment.GetFolderPath(System.Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        Directory.CreateDirectory(machinePackages);
        // The SDK's own packages (the native compiler is large) may come from where they were unpacked before; ours may not.
        File.WriteAllText(Path.Combine(_root.FullName, "nuget.config"), $"""
            <configuration>
              <packageSources><add key="feed" value="{Folder}" /></packageSources>
              <fallbackPackageFolders><add key="machine" value="{machinePackages}" /></fallbackPackageFolders>
            </configuration>
            """);
    }

    /// <summary>A folder below which nuget.config names the feed.</summary>
    public string Root => _root.FullName;

    public string Folder => Path.Combine(_root.FullName, "feed");

    /// <summary>Where packages are unpacked: empty at first, so that none of an earlier build is taken.</summary>
    public string Packages => Path.Combine(_root.FullName, "packages");

    internal IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["NUGET_PACKAGES"] = Packages,
        ["DOTNET_CLI_UI_LANGUAGE"] = "en",
        ["DOTNET_NOLOGO"] = "1",
        ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
    };

    /// <summary>Packs all again: whether a package has the same bytes as before.</summary>
    public bool IsTheSameAgain(string package)
    {
        var again = Path.Combine(Root, "again");
        if (!Directory.Exists(again)) foreach (var project in Projects) Pack(project, again);
        return File.ReadAllBytes(Path.Combine(Folder, package)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(again, package)));
    }

    /// <summary>The files of a package by their names, without those that NuGet adds.</summary>
    public SortedDictionary<string, byte[]> Read(string package)
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        using var archive = ZipFile.OpenRead(Path.Combine(Folder, package));
        foreach (var entry in archive.Entries)
        {
            if (entry.FullName is "[Content_Types].xml" || entry.FullName.StartsWith("_rels/") || entry.FullName.StartsWith("package/")) continue;
            using var content = new MemoryStream();
            using var stream = entry.Open();
            stream.CopyTo(content);
            files.Add(entry.FullName, content.ToArray());
        }

        return files;
    }

    private void Pack(string project, string folder) => Command.Run(
        Repository.Root, Environment, "dotnet", "pack", $"src/{project}", "-c", Configuration, "--no-build", "-o", folder, "--nologo", "-v:q", "-nodeReuse:false").Succeeds();

    public void Dispose() => _root.Delete(recursive: true);
}

/// <summary>Tests that share the packed packages, one at a time.</summary>
[CollectionDefinition(Name)]
public sealed class FeedCollection : ICollectionFixture<Feed>
{
    public const string Name = "feed";
}
