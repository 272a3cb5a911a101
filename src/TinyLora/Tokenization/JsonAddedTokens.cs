using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Reads <c>added_tokens</c> of a <c>tokenizer.json</c>.</summary>
internal static class JsonAddedTokens
{
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The array.</param>
    /// <param name="prefixed">Whether the normalizer puts a space before a text: also before that of a token that is compared after it.</param>
    public static Dictionary<int, JsonAddedToken> Read(string path, ReadOnlyMemory<byte> json, bool prefixed)
    {
        var tokens = new Dictionary<int, JsonAddedToken>();
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind == JsonValueKind.Null) return tokens;
        if (document.RootElement.ValueKind != JsonValueKind.Array) throw Bad(path, "added_tokens that is no array", "tokens");
        foreach (var item in document.RootElement.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object || !item.TryGetProperty("id"u8, out var number) || number.ValueKind != JsonValueKind.Number ||
                !number.TryGetInt32(out var id) || !item.TryGetProperty("content"u8, out var content) || content.ValueKind != JsonValueKind.String)
            {
                throw Bad(path, "an added token without id or content", "both");
            }
            var text = content.GetString()!;
            if (Flag(item, "single_word")) throw Bad(path, $"single_word of added token '{text}'", "false; it is not supported");
            var attributes = Flag(item, "special") ? TokenAttributes.Control : TokenAttributes.UserDefined;
            if (Flag(item, "lstrip")) attributes |= TokenAttributes.LeftStrip;
            if (Flag(item, "rstrip")) attributes |= TokenAttributes.RightStrip;
            if (prefixed && Flag(item, "normalized")) attributes |= TokenAttributes.AfterPrefix;
            if (!tokens.TryAdd(id, new JsonAddedToken(Encoding.UTF8.GetBytes(text), attributes))) throw Bad(path, $"added token id {id} twice", "it once");
        }
        return tokens;
    }

    private static bool Flag(JsonElement item, string name) => item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static InvalidDataException Bad(string path, string found, string expected) => Throw.BadFileException(path, "tokenizer", found, expected);
}
