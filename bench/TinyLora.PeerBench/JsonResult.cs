using System.Text.Json;

namespace TinyLora.PeerBench;

/// <summary>Writes a comparison with every sample as JSON.</summary>
internal static class JsonResult
{
    public static void Write(Stream stream, Comparison comparison)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("processor", comparison.Machine.Processor);
        json.WriteNumber("processors", Environment.ProcessorCount);
        json.WriteNumber("rounds", comparison.RoundCount);
        json.WriteNumber("others_share", comparison.Machine.OthersShare);
        json.WriteStartArray("machine");
        foreach (var (what, threadCount, median) in comparison.Machine.Limits)
        {
            json.WriteStartObject();
            json.WriteString("what", what);
            json.WriteNumber("threads", threadCount);
            json.WriteNumber("median", median);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("settings");
        foreach (var setting in comparison.Settings)
        {
            json.WriteStartObject();
            json.WriteString("model", setting.ModelName);
            json.WriteNumber("model_bytes", setting.ModelBytes);
            json.WriteNumber("adapter_rank", setting.AdapterRank);
            json.WriteNumber("threads", setting.ThreadCount);
            json.WriteStartObject("ratios");
            foreach (var test in setting.Tests)
                if (setting.Ratio(test) is var ratio && !double.IsNaN(ratio))
                    json.WriteNumber(test, ratio);
            json.WriteEndObject();
            WriteRounds(json, "llama.cpp", setting.Peer);
            WriteRounds(json, "tinylora", setting.Own);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRounds(Utf8JsonWriter json, string engine, List<EngineReport> rounds)
    {
        json.WriteStartArray(engine);
        foreach (var round in rounds)
        {
            json.WriteStartObject();
            json.WriteString("engine", round.Engine);
            json.WriteString("kernels", round.Kernels);
            json.WriteNumber("start_bytes", round.StartBytes);
            json.WriteNumber("peak_bytes", round.PeakBytes);
            json.WriteStartObject("seconds");
            foreach (var (test, times) in round.Tests)
            {
                json.WriteStartArray(test);
                foreach (double seconds in times.Seconds)
                    json.WriteNumberValue(seconds);
                json.WriteEndArray();
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
