using System.Text.RegularExpressions;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Repository;

/// <summary>What the repository's files may be.</summary>
public partial class FilesTests
{
    private const long MaxBytes = 4_000_000;

    private static readonly string[] NotOurs = ["bin", "obj", "artifacts", "TestResults", "BenchmarkDotNet.Artifacts", ".git", ".vs", ".idea"];

    [Fact]
    public void No_file_is_large() =>
        Assert.Empty(Files().Where(file => file.Length > MaxBytes).Select(file => $"{Name(file)}: {file.Length} bytes"));

    [Fact]
    public void No_file_names_a_folder_of_the_machine_that_it_was_written_on() => Assert.Empty(
        from file in Files()
        let text = Text(file)
        where text != null
        from Match match in MachineFolder().Matches(text)
        select $"{Name(file)}: {match.Value}");

    private static IEnumerable<FileInfo> Files() => Files(new DirectoryInfo(Shared.Repository));

    private static IEnumerable<FileInfo> Files(DirectoryInfo folder) =>
        folder.EnumerateFiles().Concat(folder.EnumerateDirectories().Where(inner => !NotOurs.Contains(inner.Name)).SelectMany(Files));

    private static string Name(FileInfo file) => Path.GetRelativePath(Shared.Repository, file.FullName);

    /// <summary>Null for a binary file. A worktree's .git is a file that git wrote.</summary>
    private static string? Text(FileInfo file)
    {
        if (file.Name == ".git" || file.Length > MaxBytes) return null;
        var text = File.ReadAllText(file.FullName);
        return text.Contains('\0') ? null : text;
    }

    // Brackets, so that this line does not find itself.
    [GeneratedRegex(@"(?<![\w.$}/~-])/(wor[k]|tm[p]|roo[t]|hom[e]|User[s])/\w+|\b[A-Z]:\\(User[s])\\")]
    private static partial Regex MachineFolder();
}
