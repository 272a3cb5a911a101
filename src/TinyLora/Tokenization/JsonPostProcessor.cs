using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>
/// Reads from <c>post_processor</c> of a <c>tokenizer.json</c> what is put before a text. What it puts behind is left out: a prompt goes on.
/// </summary>
internal static class JsonPostProcessor
{
    /// <summary>The token before a text, or -1.</summary>
    /// <exception cref="InvalidDataException">It is of another kind, or names no token.</exception>
    public static int BeginOfText(string path, JsonElement processor, Vocabulary vocabulary)
    {
        var begin = -1;
        foreach (var step in processor.Steps("processors"))
        {
            var type = step.Text("type");
            if (type == "ByteLevel") continue;
            if (type != "TemplateProcessing") throw Bad($"post_processor {type}", "TemplateProcessing or ByteLevel; others are not supported");
            foreach (var item in step.Items("single"))
            {
                if (!item.Has("SpecialToken", out var special)) break;
                var text = special.Text("id") ?? "";
                var token = vocabulary.Find(Encoding.UTF8.GetBytes(text));
                if (token < 0) throw Bad($"post_processor token '{text}'", "a token of the vocabulary");
                if (begin >= 0) throw Bad("a post_processor with two tokens before the text", "one at most");
                begin = token;
            }
        }
        return begin;

        InvalidDataException Bad(string found, string expected) => Throw.BadFileException(path, "tokenizer", found, expected);
    }
}
