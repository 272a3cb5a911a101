using System.Text.Encodings.Web;
using System.Text.Json;

namespace TinyLora.Cli;

/// <summary>JSON as the commands write it.</summary>
internal static class JsonOutput
{
    // Text for people and programs, not for web pages: letters stay letters.
    public static Utf8JsonWriter Open(Stream output, bool indented = false) =>
        new(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = indented, NewLine = "\n" });

    public static void WriteNumbers(Utf8JsonWriter json, string name, ReadOnlySpan<int> numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers) json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
