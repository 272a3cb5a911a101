using System.Text.Json;
using TinyLora.Conversation;
using TinyLora.Errors;

namespace TinyLora.Cli;

/// <summary>Messages in JSON: an array of objects with role and content, or an object that holds it as <c>messages</c>.</summary>
internal sealed record MessagesFile(ChatMessage[] Messages, bool AddGenerationPrompt)
{
    /// <exception cref="InvalidDataException">The file is of another form.</exception>
    public static MessagesFile Read(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            return Read(path, document.RootElement);
        }
        catch (JsonException damage)
        {
            throw Throw.BadFileException(path, $"line {damage.LineNumber + 1}", $"bad JSON at byte {damage.BytePositionInLine + 1}", "messages");
        }
        catch (InvalidOperationException damage)
        {
            // A string that is half of a surrogate pair.
            throw Throw.BadFileException(path, "messages", damage.Message, "text");
        }
    }

    private static MessagesFile Read(string path, JsonElement root)
    {
        var add = true;
        var list = root;
        if (root.ValueKind == JsonValueKind.Object)
        {
            if (root.TryGetProperty("add_generation_prompt", out var given))
                add = given.ValueKind is JsonValueKind.True or JsonValueKind.False ? given.GetBoolean() : throw Bad(path, "add_generation_prompt", given, "true or false");
            if (root.TryGetProperty("tools", out var tools) && tools.ValueKind != JsonValueKind.Null && !(tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() == 0))
                Throw.NotSupported(path, "tools");
            if (!root.TryGetProperty("messages", out list)) throw Throw.BadFileException(path, "messages", "nothing", "an array");
        }
        if (list.ValueKind != JsonValueKind.Array) throw Bad(path, "messages", list, "an array of messages");
        var messages = new ChatMessage[list.GetArrayLength()];
        for (var i = 0; i < messages.Length; i++)
        {
            var message = list[i];
            if (message.ValueKind != JsonValueKind.Object) throw Bad(path, $"message {i}", message, "an object with role and content");
            messages[i] = new ChatMessage(String(path, message, i, "role"), String(path, message, i, "content"));
        }
        return new MessagesFile(messages, add);
    }

    private static string String(string path, JsonElement message, int index, string name)
    {
        if (!message.TryGetProperty(name, out var value)) throw Throw.BadFileException(path, $"message {index}", $"no {name}", "role and content");
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Bad(path, $"message {index}: {name}", value, "a string");
    }

    private static InvalidDataException Bad(string path, string place, JsonElement found, string expected) =>
        Throw.BadFileException(path, place, found.ValueKind.ToString().ToLowerInvariant(), expected);
}
