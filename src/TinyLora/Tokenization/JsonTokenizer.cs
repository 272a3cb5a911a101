using System.Text;
using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Reads a <c>tokenizer.json</c> of the tokenizers library: BPE models, byte-level or SentencePiece's.</summary>
internal sealed class JsonTokenizer
{
    private readonly string _path;
    private readonly JsonSections _file;
    private readonly JsonSections _model;

    private JsonTokenizer(string path, byte[] json)
    {
        _path = path;
        _file = JsonSections.Read(json, path);
        _model = JsonSections.Read(_file.Memory("model"), path);
    }

    /// <exception cref="InvalidDataException">The file is damaged or asks for what is not supported.</exception>
    /// <exception cref="JsonException">The file is no JSON.</exception>
    public static TokenizerParts Read(string path)
    {
        var json = File.ReadAllBytes(path);
        var start = json.AsSpan().StartsWith("\uFEFF"u8) ? 3 : 0;
        return new JsonTokenizer(path, start == 0 ? json : json[start..]).Read();
    }

    private TokenizerParts Read()
    {
        using var normalizer = _file.Document("normalizer");
        using var preTokenizer = _file.Document("pre_tokenizer");
        using var postProcessor = _file.Document("post_processor");
        CheckModel();
        var pipeline = JsonPipeline.Read(_path, normalizer.RootElement, preTokenizer.RootElement);
        var added = JsonAddedTokens.Read(_path, _file.Memory("added_tokens"), pipeline.PrefixIsNormalizer);
        var builder = new VocabularyBuilder(_path);
        var bytes = new int[256];
        var neighbours = new CharacterNeighbours();
        AddTokens(builder, added, pipeline.PreTokenizer is null && Flag("byte_fallback"));

        var vocabulary = pipeline.PreTokenizer is null ? builder.BuildSentencePiece(bytes, neighbours) : builder.BuildByteLevel();
        vocabulary.Unknown = Unknown(vocabulary);
        var merges = JsonMerges.Read(vocabulary, _model["merges"], isByteLevel: pipeline.PreTokenizer is not null);
        var parts = new TokenizerParts
        {
            Vocabulary = vocabulary,
            Encoder = pipeline.PreTokenizer is { } cut
                ? new ByteLevelEncoder(vocabulary, merges, cut, Flag("ignore_merges"))
                : new SentencePieceEncoder(vocabulary, merges, neighbours, bytes, Flag("fuse_unk")),
            Kind = pipeline.PreTokenizer is { } named ? $"byte-level BPE ({named.Name})" : "SentencePiece BPE",
            Prefix = pipeline.Prefix,
            Composes = pipeline.Composes,
        };
        parts.BeginOfText = JsonPostProcessor.BeginOfText(_path, postProcessor.RootElement, vocabulary);
        parts.AddsBeginOfText = parts.BeginOfText >= 0;
        ModelFolderTokens.Apply(parts, Path.GetDirectoryName(Path.GetFullPath(_path))!);
        return parts;
    }

    private void CheckModel()
    {
        var type = _model.Text("type") ?? "BPE";
        if (type != "BPE") throw Bad($"model.type {type}", "BPE; others are not supported");
        foreach (var name in (ReadOnlySpan<string>)["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (_model.Text(name) is { Length: > 0 } value) throw Bad($"model.{name} '{value}'", "none; it is not supported");
        }
        using var dropout = _model.Document("dropout");
        if (dropout.RootElement.ValueKind == JsonValueKind.Number && dropout.RootElement.GetDouble() != 0)
            throw Bad("model.dropout", "none; it is not supported");
    }

    private void AddTokens(VocabularyBuilder builder, Dictionary<int, JsonAddedToken> added, bool hasBytes)
    {
        var reader = new Utf8JsonReader(_model["vocab"]);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw Bad("model.vocab that is no object", "ids of tokens");
        var buffer = new byte[256];
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var text = JsonSections.Text(ref reader, ref buffer);
            if (!reader.Read() || reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var id))
                throw Bad($"model.vocab '{Encoding.UTF8.GetString(text)}' without an id", "an integer");
            var attributes = hasBytes && VocabularyBuilder.TryParseByte(text, out _) ? TokenAttributes.Byte : TokenAttributes.Normal;
            if (added.Remove(id, out var special))
            {
                if (!text.SequenceEqual(special.Text))
                    throw Bad($"added token {id} '{Encoding.UTF8.GetString(special.Text)}'", $"the text of token {id} in model.vocab");
                attributes = special.Attributes;
            }
            builder.Add(id, text, attributes);
        }
        foreach (var (id, token) in added) builder.Add(id, token.Text, token.Attributes);
    }

    private int Unknown(Vocabulary vocabulary)
    {
        if (_model.Text("unk_token") is not { } text) return -1;
        var token = vocabulary.Find(Encoding.UTF8.GetBytes(text));
        return token >= 0 ? token : throw Bad($"model.unk_token '{text}'", "a token of the vocabulary");
    }

    private bool Flag(string name)
    {
        using var document = _model.Document(name);
        return document.RootElement.ValueKind == JsonValueKind.True;
    }

    private InvalidDataException Bad(string found, string expected) => Throw.BadFileException(_path, "tokenizer", found, expected);
}
