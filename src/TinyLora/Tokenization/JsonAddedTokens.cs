using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Reads <c>added_tokens</c> of a <c>tokenizer.json</c>.</summary>
internal static class JsonAddedTokens
{
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The array.</param>
    /// <param name="prefixed">Whether the normalizer puts a space before text: also before that of a token that is compared after it.</param>
    public static Dictionary<int, JsonAddedToken> Read(string path, ReadOnlyMemory<byte> json, bool prefixed)
    {
        var tokens = new Dictionary<int, JsonAddedToken>();
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind == JsonValueKind.Null) return tokens;
        if (document.RootElement.ValueKind != JsonValueKind.Array) throw Bad("added_tokens that is no array", "tokens");
        foreach (var item in document.RootElement.EnumerateArray())
        {
            if (item.Text("content") is not { } text) throw Bad("an added token without content", "its text");
            if (!item.Has("id", out var number) || number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out var id))
                throw Bad($"added token '{text}' without an id", "an integer");
            if (item.IsTrue("single_word")) throw Bad($"single_word of added token '{text}'", "false; it is not supported");
            var attributes = item.IsTrue("special") ? TokenAttributes.Control : TokenAttributes.UserDefined;
            if (item.IsTrue("lstrip")) attributes |= TokenAttributes.LeftStrip;
            if (item.IsTrue("rstrip")) attributes |= TokenAttributes.RightStrip;
            if (prefixed && item.IsTrue("normalized")) attributes |= TokenAttributes.AfterPrefix;
            var token = new JsonAddedToken(Encoding.UTF8.GetBytes(text), attributes);
            if (!tokens.TryAdd(id, token)) throw Bad($"added token id {id} twice", "it once");
        }
        return tokens;

        InvalidDataException Bad(string found, string expected) => Throw.BadFileException(path, "tokenizer", found, expected);
    }
}
