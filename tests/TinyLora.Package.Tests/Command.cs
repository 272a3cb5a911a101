using System.Diagnostics;

namespace TinyLora.Package.Tests;

/// <summary>A program that has ended: what it wrote to both streams, and its exit code.</summary>
internal sealed record Command(int ExitCode, string Output)
{
    /// <summary>Runs a program in a folder with further environment variables.</summary>
    public static Command Run(string folder, IReadOnlyDictionary<string, string> variables, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder };

        // The test's own host was started by MSBuild, whose variables would lead this one astray.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray()) start.Environment.Remove(name);
        foreach (var (name, value) in variables) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
        process.WaitForExit();
        return new Command(process.ExitCode, output);
    }

    public Command Succeeds()
    {
        Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Output}");
        return this;
    }

    public Command Fails()
    {
        Assert.True(ExitCode != 0, Output);
        return this;
    }
}
