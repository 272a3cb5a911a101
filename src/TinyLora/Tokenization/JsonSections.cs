using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>The members of a JSON object as they lie in the file: each is read when its turn comes, and big ones need no tree.</summary>
internal sealed class JsonSections
{
    private static readonly byte[] s_null = "null"u8.ToArray();
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _members = [];

    private JsonSections()
    {
    }

    /// <summary>Bytes of a member; <c>null</c> where it is missing.</summary>
    public ReadOnlyMemory<byte> Memory(string name) => _members.GetValueOrDefault(name, s_null);

    public ReadOnlySpan<byte> this[string name] => Memory(name).Span;

    /// <exception cref="InvalidDataException">It is no object, or a member is there twice.</exception>
    public static JsonSections Read(ReadOnlyMemory<byte> json, string path)
    {
        var sections = new JsonSections();
        var reader = new Utf8JsonReader(json.Span);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw Throw.BadFileException(path, "tokenizer", $"JSON that is no object, or has no model", $"a tokenizer");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (!sections._members.TryAdd(name, json[start..(int)reader.BytesConsumed]))
                throw Throw.BadFileException(path, "tokenizer", $"{name} twice", $"it once");
        }
        return sections;
    }

    public JsonDocument Document(string name) => JsonDocument.Parse(Memory(name));

    /// <summary>A member that is a string, else null.</summary>
    public string? Text(string name)
    {
        using var document = Document(name);
        return document.RootElement.ValueKind == JsonValueKind.String ? document.RootElement.GetString() : null;
    }

    /// <summary>The string or name that a reader stands at, without its escapes.</summary>
    /// <param name="reader">Stands at the string.</param>
    /// <param name="buffer">Memory for it, which grows as needed; the result lies in it or in the file.</param>
    public static ReadOnlySpan<byte> Text(ref Utf8JsonReader reader, ref byte[] buffer)
    {
        if (!reader.ValueIsEscaped) return reader.ValueSpan;
        if (reader.ValueSpan.Length > buffer.Length) buffer = new byte[reader.ValueSpan.Length * 2];
        return buffer.AsSpan(0, reader.CopyString(buffer));
    }
}
