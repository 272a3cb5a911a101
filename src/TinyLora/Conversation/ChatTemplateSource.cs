using System.Text;
using System.Text.Json;
using TinyLora.Files;
using TinyLora.Inference;

namespace TinyLora.Conversation;

/// <summary>A model's chat template as its files hold it, with the texts that the template may write.</summary>
internal sealed record ChatTemplateSource
{
    // Configuration files are some kilobytes; whole tokenizers in them some megabytes.
    private const long MaxFileBytes = 64 << 20;

    /// <summary>The file that it was read from.</summary>
    public required string Path { get; init; }

    /// <summary>Where in the file.</summary>
    public required string Place { get; init; }

    public required string Template { get; init; }

    /// <summary>Text of the token that begins a text; empty: none.</summary>
    public required string BeginOfText { get; init; }

    /// <summary>Text of the token that ends a text; empty: none.</summary>
    public required string EndOfText { get; init; }

    /// <summary>Reads the template of a model: of the file that is open, whatever stands at its path by now.</summary>
    /// <exception cref="InvalidDataException">There is none, or the file is damaged.</exception>
    public static ChatTemplateSource Read(Model model) =>
        model.Weights.Gguf is { } file ? ReadGguf(file) ?? throw Missing(model.Path) : Read(model.Path);

    /// <summary>Reads the template of a GGUF file or of a Hugging Face folder.</summary>
    /// <exception cref="InvalidDataException">There is none, or the file is damaged.</exception>
    public static ChatTemplateSource Read(string modelPath) =>
        Find(modelPath) ?? throw Missing(modelPath);

    /// <summary>The same; null where the model has no template.</summary>
    public static ChatTemplateSource? Find(string modelPath)
    {
        if (Directory.Exists(modelPath)) return ReadFolder(modelPath);
        return GgufFile.IsGguf(modelPath) ? ReadGguf(modelPath) : null;
    }

    /// <exception cref="InvalidDataException">The template is not supported.</exception>
    public ChatTemplate Parse()
    {
        try
        {
            return ChatTemplate.Parse(Template, BeginOfText, EndOfText);
        }
        catch (InvalidDataException refusal)
        {
            throw new InvalidDataException($"{Path}: {Place}: {refusal.Message}", refusal);
        }
    }

    private static InvalidDataException Missing(string path) => new($"{path}: found no chat template; expected one to hold a conversation.");

    private static ChatTemplateSource? ReadGguf(string path)
    {
        using var file = GgufFile.Open(path);
        return ReadGguf(file);
    }

    private static ChatTemplateSource? ReadGguf(GgufFile file)
    {
        if (!file.TryGetString("tokenizer.chat_template", out var template)) return null;
        return new ChatTemplateSource
        {
            Path = file.Path,
            Place = "tokenizer.chat_template",
            Template = template,
            BeginOfText = TokenText(file, "tokenizer.ggml.bos_token_id"),
            EndOfText = TokenText(file, "tokenizer.ggml.eos_token_id"),
        };
    }

    private static string TokenText(GgufFile file, string key)
    {
        if (!file.TryGetInteger(key, out var id) || !file.TryGetArray("tokenizer.ggml.tokens", out var tokens)) return "";
        foreach (var token in tokens.GetStrings())
        {
            if (id-- == 0) return Encoding.UTF8.GetString(token);
        }
        return "";
    }

    private static ChatTemplateSource? ReadFolder(string folder)
    {
        var configuration = System.IO.Path.Combine(folder, "tokenizer_config.json");
        using var document = File.Exists(configuration) ? Json(configuration) : null;
        var root = document?.RootElement ?? default;
        var map = System.IO.Path.Combine(folder, "special_tokens_map.json");
        using var mapDocument = File.Exists(map) ? Json(map) : null;
        var mapRoot = mapDocument?.RootElement ?? default;
        // The newer files win, as in Transformers.
        var template = FromFile(folder, "chat_template.jinja", json: false)
            ?? FromFile(folder, "chat_template.json", json: true)
            ?? (document is null ? null : (configuration, "chat_template", FromConfiguration(root)));
        if (template is not { } found || found.Text is null) return null;
        return new ChatTemplateSource
        {
            Path = found.Path,
            Place = found.Place,
            Template = found.Text,
            BeginOfText = TokenText(root, "bos_token") ?? TokenText(mapRoot, "bos_token") ?? "",
            EndOfText = TokenText(root, "eos_token") ?? TokenText(mapRoot, "eos_token") ?? "",
        };
    }

    private static (string Path, string Place, string? Text)? FromFile(string folder, string name, bool json)
    {
        var path = System.IO.Path.Combine(folder, name);
        if (!File.Exists(path)) return null;
        if (!json) return (path, "template", Text(path));
        using var document = Json(path);
        return (path, "chat_template", FromConfiguration(document.RootElement));
    }

    /// <summary>The template, or of several named ones the one called default.</summary>
    private static string? FromConfiguration(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("chat_template", out var template)) return null;
        if (template.ValueKind == JsonValueKind.String) return template.GetString();
        if (template.ValueKind != JsonValueKind.Array) return null;
        foreach (var entry in template.EnumerateArray())
        {
            if (entry.ValueKind == JsonValueKind.Object && Property(entry, "name") == "default") return Property(entry, "template");
        }
        return null;
    }

    /// <summary>A token's text, given as such or as the content of an object; empty where the file says that there is none, null where it is silent.</summary>
    private static string? TokenText(JsonElement root, string name)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(name, out var token)) return null;
        return token.ValueKind switch
        {
            JsonValueKind.String => token.GetString(),
            JsonValueKind.Object => Property(token, "content") ?? "",
            _ => "",
        };
    }

    private static string? Property(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static JsonDocument Json(string path)
    {
        try
        {
            return JsonDocument.Parse(Text(path));
        }
        catch (JsonException damage)
        {
            throw new InvalidDataException($"{path}: line {damage.LineNumber + 1}: found no JSON, expected a configuration.", damage);
        }
    }

    private static string Text(string path)
    {
        var length = new FileInfo(path).Length;
        if (length > MaxFileBytes) throw new InvalidDataException($"{path}: found {length} bytes, expected at most {MaxFileBytes}.");
        return File.ReadAllText(path);
    }
}
