using System.Diagnostics;

namespace TinyLora.PeerBench;

/// <summary>Starts an engine's child process and reads what it measured.</summary>
internal sealed class EngineProcess(string fileName, string[] role)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    /// <summary>llama.cpp, in a process of this program.</summary>
    public static EngineProcess LlamaCpp { get; } = new(Environment.ProcessPath!, IsDotnet ? [typeof(EngineProcess).Assembly.Location, "llama"] : ["llama"]);

    /// <summary>TinyLora's published command line.</summary>
    public static EngineProcess TinyLora(string path) => new(Path.GetFullPath(path), ["bench"]);

    private static bool IsDotnet => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet";

    /// <exception cref="InvalidOperationException">The process failed, or did not end in ten minutes.</exception>
    public EngineReport Measure(EngineArguments arguments)
    {
        var start = new ProcessStartInfo(fileName, [.. role, .. arguments.ToCommandLine()])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill();
            throw new InvalidOperationException($"{Describe(start)}: did not end in {Limit.TotalMinutes} minutes");
        }
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{Describe(start)}: exit code {process.ExitCode}\n{error.Result.Trim()}");
        using var lines = new StringReader(output.Result);
        return EngineReport.Read(lines);
    }

    private static string Describe(ProcessStartInfo start) => $"{start.FileName} {string.Join(' ', start.ArgumentList)}";
}
