using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Reads from <c>post_processor</c> of a <c>tokenizer.json</c> what is put before a text. What it puts behind is left out: a prompt goes on.</summary>
internal static class JsonPostProcessor
{
    /// <summary>The token before a text, or -1.</summary>
    /// <exception cref="InvalidDataException">It is of another kind, or names no token.</exception>
    public static int BeginOfText(string path, JsonElement processor, Vocabulary vocabulary)
    {
        if (processor.ValueKind == JsonValueKind.Null) return -1;
        var begin = -1;
        foreach (var step in Steps(processor))
        {
            switch (Text(step, "type"))
            {
                case "ByteLevel":
                    break;
                case "TemplateProcessing" when step.TryGetProperty("single"u8, out var single) && single.ValueKind == JsonValueKind.Array:
                    foreach (var item in single.EnumerateArray())
                    {
                        if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("SpecialToken"u8, out var special)) break;
                        var text = Text(special, "id") ?? "";
                        var token = vocabulary.Find(Encoding.UTF8.GetBytes(text));
                        if (token < 0) throw Bad(path, $"post_processor token '{text}'", "a token of the vocabulary");
                        if (begin >= 0) throw Bad(path, "a post_processor with two tokens before the text", "one at most; more are not supported");
                        begin = token;
                    }
                    break;
                default:
                    throw Bad(path, $"post_processor {Text(step, "type")}", "TemplateProcessing or ByteLevel; others are not supported");
            }
        }
        return begin;
    }

    private static List<JsonElement> Steps(JsonElement processor) =>
        Text(processor, "type") == "Sequence" && processor.TryGetProperty("processors"u8, out var steps) && steps.ValueKind == JsonValueKind.Array
            ? [.. steps.EnumerateArray()]
            : [processor];

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static InvalidDataException Bad(string path, string found, string expected) => Throw.BadFileException(path, "tokenizer", found, expected);
}
