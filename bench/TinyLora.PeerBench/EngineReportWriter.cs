using System.Text;
using System.Text.Json;

namespace TinyLora.PeerBench;

/// <summary>Writes the lines that <see cref="EngineReport"/> reads.</summary>
internal sealed class EngineReportWriter(TextWriter output)
{
    public void WriteEngine(string engine, string kernels) => WriteLine(json =>
    {
        json.WriteString("engine", engine);
        json.WriteString("kernels", kernels);
    });

    public void WriteTest(string test, int tokenCount, double[] seconds) => WriteLine(json =>
    {
        json.WriteString("test", test);
        json.WriteNumber("tokens", tokenCount);
        json.WriteStartArray("seconds");
        foreach (double value in seconds)
            json.WriteNumberValue(value);
        json.WriteEndArray();
    });

    public void WriteMemory(long startBytes, long peakBytes) => WriteLine(json =>
    {
        json.WriteString("memory", "resident");
        json.WriteNumber("start_bytes", startBytes);
        json.WriteNumber("peak_bytes", peakBytes);
    });

    private void WriteLine(Action<Utf8JsonWriter> properties)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            properties(json);
            json.WriteEndObject();
        }
        output.WriteLine(Encoding.UTF8.GetString(stream.ToArray()));
    }
}
