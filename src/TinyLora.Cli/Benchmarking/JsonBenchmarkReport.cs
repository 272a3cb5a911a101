using System.Text.Json;

namespace TinyLora.Cli.Benchmarking;

/// <summary>One JSON object a line.</summary>
internal sealed class JsonBenchmarkReport(Terminal terminal) : IBenchmarkReport
{
    public void Engine(string engine, string kernels) => WriteLine(json =>
    {
        json.WriteString("engine", engine);
        json.WriteString("kernels", kernels);
    });

    public void Test(string test, TestRuns runs) => WriteLine(json =>
    {
        json.WriteString("test", test);
        json.WriteNumber("tokens", runs.TokenCount);
        json.WriteStartArray("seconds");
        foreach (var value in runs.Seconds) json.WriteNumberValue(value);
        json.WriteEndArray();
        json.WriteNumber("allocated_bytes", runs.AllocatedBytes);
    });

    public void Memory(long startBytes, long peakBytes) => WriteLine(json =>
    {
        json.WriteString("memory", "resident");
        json.WriteNumber("start_bytes", startBytes);
        json.WriteNumber("peak_bytes", peakBytes);
    });

    private void WriteLine(Action<Utf8JsonWriter> write)
    {
        using (var json = JsonOutput.Open(terminal.Output))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }
        terminal.WriteLine("");
        terminal.Output.Flush();
    }
}
