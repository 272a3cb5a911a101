using Xunit;

namespace TinyLora.Tests.Goldens;

/// <summary>The fixtures beside the repository, in <c>../shared</c>.</summary>
internal static class Shared
{
    /// <summary>The repository's root: the folder that holds TinyLora.sln.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>Full path of a fixture; skips the test if it is missing.</summary>
    public static string Path(string relative)
    {
        var path = FullPath(relative);
        Skip.IfNot(File.Exists(path) || Directory.Exists(path), $"The fixture {relative} is missing.");
        return path;
    }

    /// <summary>Whether a fixture is there.</summary>
    public static bool Has(string relative) => System.IO.Path.Exists(FullPath(relative));

    /// <summary>Full path of a fixture, or null: for the lists of cases, which may not skip.</summary>
    public static string? TryPath(string relative) => Has(relative) ? FullPath(relative) : null;

    private static string FullPath(string relative) => System.IO.Path.GetFullPath(System.IO.Path.Combine(Repository, "..", "shared", relative));

    private static string FindRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "TinyLora.sln"))) return folder.FullName;
        throw new DirectoryNotFoundException("No folder above the tests holds TinyLora.sln.");
    }
}
