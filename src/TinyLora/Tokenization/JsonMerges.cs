using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Reads <c>model.merges</c> of a <c>tokenizer.json</c>: pairs as "left right" or as ["left", "right"], by falling rank.</summary>
internal static class JsonMerges
{
    public static BytePairMerges Read(Vocabulary vocabulary, ReadOnlySpan<byte> json, bool isByteLevel)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            throw Throw.BadFileException(vocabulary.Path, "tokenizer", "no model.merges", "an array");
        // A merge takes about 12 bytes of file; the table grows if that was too few.
        var list = new MergeList(vocabulary, isByteLevel, capacity: json.Length / 12);
        byte[] buffer = new byte[256], other = new byte[256];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                list.Add(JsonSections.Text(ref reader, ref buffer));
                continue;
            }
            if (reader.TokenType != JsonTokenType.StartArray) throw list.Bad("no pair");
            if (!reader.Read() || reader.TokenType != JsonTokenType.String) throw list.Bad("no pair");
            var left = JsonSections.Text(ref reader, ref buffer);
            if (!reader.Read() || reader.TokenType != JsonTokenType.String) throw list.Bad("no pair");
            var right = JsonSections.Text(ref reader, ref other);
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray) throw list.Bad("no pair");
            list.Add(left, right);
        }
        return list.Merges;
    }
}
