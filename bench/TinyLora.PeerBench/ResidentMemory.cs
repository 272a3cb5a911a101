using System.Globalization;

namespace TinyLora.PeerBench;

/// <summary>This process's resident memory, from Linux's /proc/self/status.</summary>
internal static class ResidentMemory
{
    /// <summary>Bytes resident now.</summary>
    public static long Current => Read("VmRSS:");

    /// <summary>The most bytes that were resident at once.</summary>
    public static long Peak => Read("VmHWM:");

    private static long Read(string field)
    {
        foreach (var line in File.ReadLines("/proc/self/status"))
            if (line.StartsWith(field, StringComparison.Ordinal))
                return long.Parse(line.AsSpan(field.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) * 1024;
        throw new InvalidOperationException($"/proc/self/status has no {field}");
    }
}
