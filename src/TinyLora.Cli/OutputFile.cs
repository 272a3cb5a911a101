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
        var written = Target(path);
        foreach (var input in inputs)
            if (input != null && Target(input) is var read && (written == read || (Directory.Exists(read) && Path.GetDirectoryName(written) == read)))
                throw new UnusableInputException($"{path}: would be written and belongs to {input}, which is read; expected another place.");
    }

    private static string Target(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath((Path.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName : null) ?? path));

    private static bool IsSpecial(string path) => OperatingSystem.IsLinux() && Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal);
}
