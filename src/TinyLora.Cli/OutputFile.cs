namespace TinyLora.Cli;

/// <summary>Writes a file beside its place and moves it there, so that no one sees a part of it, and a file that is being read is not overwritten.</summary>
internal static class OutputFile
{
    private const int BufferBytes = 1 << 16;

    public static T Write<T>(string path, Func<Stream, T> write)
    {
        if (Directory.Exists(path)) throw new UnusableInputException($"{path}: found a folder, expected a file to write.");
        // Devices and pipes are written as they are.
        if (IsSpecial(path))
        {
            using var device = new FileStream(path, FileMode.Open, FileAccess.Write);
            return write(device);
        }
        var unfinished = $"{path}.{Environment.ProcessId}.unfinished";
        try
        {
            T result;
            using (var stream = new FileStream(unfinished, FileMode.Create, FileAccess.Write, FileShare.None, BufferBytes)) result = write(stream);
            File.Move(unfinished, path, overwrite: true);
            return result;
        }
        catch
        {
            if (File.Exists(unfinished)) File.Delete(unfinished);
            throw;
        }
    }

    /// <summary>Refuses to write a file that is read: one of the inputs, or one that lies in an input folder.</summary>
    /// <exception cref="UnusableInputException">It is.</exception>
    public static void RefuseInputs(string path, params IEnumerable<string?> inputs)
    {
        string[] written = [Full(path), Real(path)];
        foreach (var input in inputs)
        {
            if (input == null) continue;
            foreach (var read in (string[])[Full(input), Real(input)])
                foreach (var file in written)
                    if (IsSame(file, read) || (File.Exists(file) && IsSame(Path.GetDirectoryName(file), read)))
                        throw new UnusableInputException($"{path}: would be written and belongs to {input}, which is read; expected another place.");
        }
    }

    private static bool IsSame(string? one, string other) =>
        string.Equals(one, other, OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);

    private static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    /// <summary>The path without links.</summary>
    private static string Real(string path)
    {
        var full = Full(path);
        if (Path.GetDirectoryName(full) is not { } folder) return full;
        full = Path.Combine(Real(folder), Path.GetFileName(full));
        return Path.Exists(full) && File.ResolveLinkTarget(full, returnFinalTarget: true) is { } target ? Full(target.FullName) : full;
    }

    private static bool IsSpecial(string path) => OperatingSystem.IsLinux() && Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal);
}
