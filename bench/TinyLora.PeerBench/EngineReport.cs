using System.Text.Json;

namespace TinyLora.PeerBench;

/// <summary>
/// What one child process measured. A child prints JSON, one object a line, in any order; lines of other kinds are refused.
/// <code>
/// {"engine":"tinylora 0.1.0","kernels":"Avx512"}
/// {"test":"first-token","tokens":128,"seconds":[0.41]}
/// {"test":"prefill128","tokens":128,"seconds":[0.26,0.25]}
/// {"test":"decode64","tokens":64,"seconds":[0.35,0.36]}
/// {"memory":"resident","start_bytes":7340032,"peak_bytes":120586240}
/// </code>
/// The rules, the same for each engine:
/// <list type="bullet">
/// <item>Ids of tokens are pseudo-random, any of the vocabulary; nothing is sampled, but the logits of the last token of a prefill and of
/// every decoded token are computed. The adapter is on, at its scale, in all tests.</item>
/// <item><c>first-token</c> comes first, once a process: from before the model's file is opened until the logits after a prompt of the
/// first <c>--prompt</c> length are there: open, put the adapter on, make a session, prefill. Nothing is warm but the file's pages.</item>
/// <item><c>prefillN</c>, for each <c>--prompt N</c>: a session with room for N tokens; one run that is not counted; then
/// <c>--repetitions</c> runs, each from an empty cache: the seconds that the N tokens took, given in one call.</item>
/// <item><c>decodeN</c>, for <c>--generate N</c>: a session with room for N tokens; one token that is not counted; then <c>--repetitions</c>
/// runs, each from an empty cache: the seconds that N single steps took.</item>
/// <item>After <c>--sets</c>, <c>decodeN-NAME</c>: a session of the base (<c>off</c>), with one adapter (<c>on</c>), with <c>two</c>, with another at each token
/// (<c>switch</c>, the cache kept), eight sessions with an adapter each together (<c>batch8</c>) and one after another (<c>alone8</c>).</item>
/// <item><c>allocated_bytes</c>, if there: managed bytes that all runs of a test allocated.</item>
/// <item><c>start_bytes</c> is VmRSS of /proc/self/status before the model's file is opened, <c>peak_bytes</c> VmHWM at the end.</item>
/// <item><c>kernels</c> names the instruction set that the engine's kernels used.</item>
/// </list>
/// The exit code is 0; otherwise the child's lines are not looked at and its standard error is shown.
/// </summary>
internal sealed class EngineReport
{
    public string Engine { get; private set; } = "";
    public string Kernels { get; private set; } = "";
    public long StartBytes { get; private set; }
    public long PeakBytes { get; private set; }
    public Dictionary<string, TestTimes> Tests { get; } = [];

    /// <exception cref="InvalidDataException">A line is not of the format above.</exception>
    public static EngineReport Read(TextReader lines)
    {
        var report = new EngineReport();
        while (lines.ReadLine() is { } line)
        {
            if (line.Length == 0)
                continue;
            try
            {
                using var document = JsonDocument.Parse(line);
                report.Take(document.RootElement);
            }
            catch (Exception wrong) when (wrong is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
            {
                throw new InvalidDataException($"not a line of measurements ({wrong.Message}): {line}");
            }
        }
        return report;
    }

    private void Take(JsonElement line)
    {
        if (line.TryGetProperty("test", out var test))
        {
            double[] seconds = [.. line.GetProperty("seconds").EnumerateArray().Select(value => value.GetDouble())];
            if (seconds.Length == 0 || seconds.Any(value => !(value > 0)))
                throw new FormatException("seconds must be positive, one number at least");
            Tests[test.GetString()!] = new TestTimes(line.GetProperty("tokens").GetInt32(), seconds, line.TryGetProperty("allocated_bytes", out var bytes) ? bytes.GetInt64() : null);
        }
        else if (line.TryGetProperty("engine", out var engine))
        {
            Engine = engine.GetString()!;
            Kernels = line.GetProperty("kernels").GetString()!;
        }
        else
        {
            StartBytes = line.GetProperty("start_bytes").GetInt64();
            PeakBytes = line.GetProperty("peak_bytes").GetInt64();
        }
    }
}
