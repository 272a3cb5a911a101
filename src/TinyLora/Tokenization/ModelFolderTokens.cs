using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>What the files beside a <c>tokenizer.json</c> say of the tokens that begin and end a text.</summary>
internal static class ModelFolderTokens
{
    /// <exception cref="InvalidDataException">A file is no JSON, or names a token that is not there.</exception>
    public static void Apply(TokenizerParts parts, string folder)
    {
        Read(Path.Combine(folder, "tokenizer_config.json"), root =>
        {
            var begin = Token(root, "bos_token");
            if (begin >= 0 && parts.BeginOfText < 0) parts.BeginOfText = begin;
            // It overrules the post-processor, as LlamaTokenizerFast makes a new one from it.
            if (root.IsTrue("add_bos_token")) parts.AddsBeginOfText = true;
            if (root.IsFalse("add_bos_token")) parts.AddsBeginOfText = false;
            var end = Token(root, "eos_token");
            if (end >= 0) parts.EndOfGeneration.Add(end);
        });
        foreach (var name in (ReadOnlySpan<string>)["generation_config.json", "config.json"])
        {
            var file = Path.Combine(folder, name);
            Read(file, root =>
            {
                AddIds(file, root, "eos_token_id", parts.EndOfGeneration);
                var begins = new List<int>();
                AddIds(file, root, "bos_token_id", begins);
                if (begins.Count > 0 && parts.BeginOfText < 0) parts.BeginOfText = begins[0];
            });
        }

        int Token(JsonElement root, string name)
        {
            if (!root.TryGetProperty(name, out var value)) return -1;
            if (value.ValueKind == JsonValueKind.Object && !value.TryGetProperty("content"u8, out value)) return -1;
            return value.ValueKind == JsonValueKind.String ? parts.Vocabulary.Find(Encoding.UTF8.GetBytes(value.GetString()!)) : -1;
        }

        void AddIds(string file, JsonElement root, string name, List<int> ids)
        {
            if (!root.TryGetProperty(name, out var value)) return;
            if (value.ValueKind == JsonValueKind.Array)
            {
                foreach (var item in value.EnumerateArray()) Add(item);
            }
            else if (value.ValueKind != JsonValueKind.Null)
            {
                Add(value);
            }

            void Add(JsonElement item)
            {
                if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out var id) || (uint)id >= (uint)parts.Vocabulary.Count)
                    throw Throw.BadFileException(file, "tokenizer", $"{name} {item.GetRawText()}", $"a token below {parts.Vocabulary.Count}");
                ids.Add(id);
            }
        }
    }

    private static void Read(string file, Action<JsonElement> use)
    {
        if (!File.Exists(file)) return;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw Throw.BadFileException(file, "file", "JSON that is no object", "one");
            use(document.RootElement);
        }
        catch (JsonException e)
        {
            throw Throw.BadFileException(file, $"line {e.LineNumber + 1}", $"bad JSON at byte {e.BytePositionInLine + 1}", "an object");
        }
    }
}
