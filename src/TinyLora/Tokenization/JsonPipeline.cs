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
        foreach (var step in normalizer.Steps("normalizers")) replacesSpaces |= pipeline.Normalize(step);
        var cuts = pipeline.Cut(preTokenizer.Steps("pretokenizers"));
        if (!cuts && !replacesSpaces) throw pipeline.Bad("no pre_tokenizer", "one, or a normalizer that writes spaces as ▁");
        if (pipeline.PreTokenizer is null && pipeline.Composes) throw pipeline.Bad("normalizer NFC", "it with byte-level BPE only");
        if (pipeline.PreTokenizer is not null && (replacesSpaces || pipeline.PrefixIsNormalizer))
            throw pipeline.Bad("a normalizer that writes ▁", "none with byte-level BPE");
        return pipeline;
    }

    /// <summary>Notes a normalizer; true if it writes spaces as ▁.</summary>
    private bool Normalize(JsonElement step)
    {
        switch (step.Text("type"))
        {
            case "NFC":
                Composes = true;
                return false;
            case "Prepend" when step.Text("prepend") == "▁":
                Prefix = SpacePrefix.Each;
                PrefixIsNormalizer = true;
                return false;
            case "Replace" when step.Text("content") == "▁" && step.Has("pattern", out var pattern) && pattern.Text("String") == " ":
                return true;
            default:
                throw Bad($"normalizer {step.GetRawText()}", "NFC, or Prepend ▁ and Replace ' ' by ▁; others are not supported");
        }
    }

    /// <summary>Notes the pre-tokenizer; false if there is none.</summary>
    private bool Cut(List<JsonElement> steps)
    {
        if (steps.Count == 0) return false;
        var type = steps[0].Text("type");
        if (steps.Count == 1 && IsByteLevel(steps[0], usesPattern: true)) PreTokenizer = PreTokenizer.Gpt2;
        else if (steps.Count == 1 && type == "Metaspace" && steps[0].Text("replacement") == "▁" && steps[0].IsFalse("split"))
        {
            PutSpaces(steps[0]);
        }
        else if (steps.Count == 2 && type == "Digits" && steps[0].IsTrue("individual_digits") && IsByteLevel(steps[1], usesPattern: true))
        {
            PreTokenizer = PreTokenizer.SmolLm;
        }
        else if (steps.Count == 2 && type == "Split" && steps[0].Text("behavior") == "Isolated" && !steps[0].IsTrue("invert") &&
            steps[0].Has("pattern", out var pattern) && pattern.Text("Regex") is { } regex && IsByteLevel(steps[1], usesPattern: false))
        {
            PreTokenizer = PreTokenizer.ByPattern(regex) ??
                throw Bad($"pre_tokenizer pattern {regex}", "that of gpt-2, llama-bpe or qwen2; others are not supported");
        }
        else
        {
            throw Bad($"pre_tokenizer {string.Join(", ", steps.Select(step => step.GetRawText()))}",
                "ByteLevel, Digits and ByteLevel, Split and ByteLevel, or Metaspace without split; others are not supported");
        }
        return true;
    }

    private void PutSpaces(JsonElement step)
    {
        if (PrefixIsNormalizer) throw Bad("normalizer Prepend and pre_tokenizer Metaspace", "one of them");
        Prefix = step.Text("prepend_scheme") switch
        {
            "never" => SpacePrefix.None,
            "first" => SpacePrefix.First,
            "always" => SpacePrefix.EachBare,
            var scheme => throw Bad($"prepend_scheme {scheme}", "always, first or never; others are not supported"),
        };
    }

    private static bool IsByteLevel(JsonElement step, bool usesPattern) =>
        step.Text("type") == "ByteLevel" && !step.IsTrue("add_prefix_space") && !step.IsFalse("use_regex") == usesPattern;

    private InvalidDataException Bad(string found, string expected) => Throw.BadFileException(_path, "tokenizer", found, expected);
}
