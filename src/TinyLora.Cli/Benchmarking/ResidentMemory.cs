using System.Globalization;

namespace TinyLora.Cli.Benchmarking;

/// <summary>This process's resident memory, from Linux's /proc/self/status; elsewhere what .NET knows.</summary>
internal static class ResidentMemory
{
    private const string Status = "/proc/self/status";

    /// <summary>Bytes resident now.</summary>
    public static long Current => Read("VmRSS:") ?? Environment.WorkingSet;

    /// <summary>The most bytes that were resident at once.</summary>
    public static long Peak => Read("VmHWM:") ?? System.Diagnostics.Process.GetCurrentProcess().PeakWorkingSet64;

    private static long? Read(string field)
    {
        if (!File.Exists(Status)) return null;
        foreach (var line in File.ReadLines(Status))
            if (line.StartsWith(field, StringComparison.Ordinal))
                return long.Parse(line.AsSpan(field.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) * 1024;
        return null;
    }
}
