using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>What the normalizer and the pre-tokenizer of a <c>tokenizer.json</c> ask for, recognised by their exact form.</summary>
internal sealed class JsonPipeline
{
    private readonly string _path;

    private JsonPipeline(string path) => _path = path;

    /// <summary>Pre-tokenizer of byte-level BPE; null for SentencePiece.</summary>
    public PreTokenizer? PreTokenizer { get; private set; }

    public SpacePrefix Prefix { get; private set; }

    /// <summary>Whether the normalizer puts the prefix, else the pre-tokenizer does.</summary>
    public bool PrefixIsNormalizer { get; private set; }

    public bool Composes { get; private set; }

    /// <exception cref="InvalidDataException">They ask for what is not supported.</exception>
    public static JsonPipeline Read(string path, JsonElement normalizer, JsonElement preTokenizer)
    {
        var pipeline = new JsonPipeline(path);
        var replacesSpaces = false;
        foreach (var step in Steps(normalizer, "normalizers")) replacesSpaces |= pipeline.Normalize(step);
        var cuts = pipeline.Cut([.. Steps(preTokenizer, "pretokenizers")]);
        if (!cuts && !replacesSpaces) throw pipeline.Bad("no pre_tokenizer", "one, or a normalizer that writes spaces as ▁");
        if (pipeline.PreTokenizer is not null && replacesSpaces) throw pipeline.Bad("a normalizer that writes spaces as ▁ with byte-level BPE", "one of them");
        if (pipeline.PreTokenizer is null && pipeline.Composes) throw pipeline.Bad("normalizer NFC with SentencePiece", "NFC with byte-level BPE only; it is not supported");
        return pipeline;
    }

    private static List<JsonElement> Steps(JsonElement element, string list)
    {
        if (element.ValueKind != JsonValueKind.Object) return [];
        return Text(element, "type") == "Sequence" && element.TryGetProperty(list, out var steps) && steps.ValueKind == JsonValueKind.Array
            ? [.. steps.EnumerateArray()]
            : [element];
    }

    /// <summary>Notes a normalizer; true if it writes spaces as ▁.</summary>
    private bool Normalize(JsonElement step)
    {
        switch (Text(step, "type"))
        {
            case "NFC":
                Composes = true;
                return false;
            case "Prepend" when Text(step, "prepend") == "▁":
                Prefix = SpacePrefix.Each;
                PrefixIsNormalizer = true;
                return false;
            case "Replace" when Text(step, "content") == "▁" && step.TryGetProperty("pattern"u8, out var pattern) && Text(pattern, "String") == " ":
                return true;
            default:
                throw Bad($"normalizer {step.GetRawText()}", "NFC, or Prepend ▁ and Replace ' ' by ▁; others are not supported");
        }
    }

    /// <summary>Notes the pre-tokenizer; false if there is none.</summary>
    private bool Cut(List<JsonElement> steps)
    {
        if (steps.Count == 0) return false;
        var first = steps[0];
        switch (Text(first, "type"))
        {
            case "ByteLevel" when steps.Count == 1 && IsByteLevel(first, usesPattern: true):
                PreTokenizer = PreTokenizer.Gpt2;
                return true;
            case "Digits" when steps.Count == 2 && IsTrue(first, "individual_digits") && IsByteLevel(steps[1], usesPattern: true):
                PreTokenizer = PreTokenizer.SmolLm;
                return true;
            case "Split" when steps.Count == 2 && IsByteLevel(steps[1], usesPattern: false) && Text(first, "behavior") == "Isolated" && !IsTrue(first, "invert") &&
                first.TryGetProperty("pattern"u8, out var pattern) && Text(pattern, "Regex") is { } regex:
                PreTokenizer = PreTokenizer.ByPattern(regex) ?? throw Bad($"pre_tokenizer pattern {regex}", "that of gpt-2, llama-bpe or qwen2; others are not supported");
                return true;
            case "Metaspace" when steps.Count == 1 && Text(first, "replacement") == "▁" && first.TryGetProperty("split"u8, out var split) && split.ValueKind == JsonValueKind.False:
                return Cut(Text(first, "prepend_scheme"));
            default:
                throw Bad($"pre_tokenizer {string.Join(", ", steps.Select(step => step.GetRawText()))}",
                    "ByteLevel, Digits and ByteLevel, Split and ByteLevel, or Metaspace without split; others are not supported");
        }
    }

    private bool Cut(string? scheme)
    {
        Prefix = scheme switch
        {
            "never" => SpacePrefix.None,
            "first" => SpacePrefix.First,
            "always" => SpacePrefix.EachBare,
            _ => throw Bad($"prepend_scheme {scheme}", "always, first or never; others are not supported"),
        };
        return true;
    }

    private static bool IsByteLevel(JsonElement step, bool usesPattern) =>
        Text(step, "type") == "ByteLevel" && !IsTrue(step, "add_prefix_space") && (IsTrue(step, "use_regex") || !step.TryGetProperty("use_regex"u8, out _)) == usesPattern;

    private static bool IsTrue(JsonElement step, string name) => step.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static string? Text(JsonElement step, string name) =>
        step.ValueKind == JsonValueKind.Object && step.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private InvalidDataException Bad(string found, string expected) => Throw.BadFileException(_path, "tokenizer", found, expected);
}
