using System.Runtime.InteropServices;
using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Tokenization;

/// <summary>Reads the tokenizer from a GGUF file's metadata, with the defaults of llama.cpp where a key is missing.</summary>
internal sealed class GgufTokenizer
{
    private const string ModelKey = "tokenizer.ggml.model";
    private const string PreKey = "tokenizer.ggml.pre";
    private const string TokensKey = "tokenizer.ggml.tokens";
    private const string TypesKey = "tokenizer.ggml.token_type";
    private const string ScoresKey = "tokenizer.ggml.scores";
    private const string MergesKey = "tokenizer.ggml.merges";

    private readonly GgufFile _file;
    private readonly VocabularyBuilder _builder;
    private readonly List<int> _ends = [];
    private int _begin = -1;
    private int _unknown = -1;

    private GgufTokenizer(GgufFile file)
    {
        _file = file;
        _builder = new VocabularyBuilder(file.Path);
    }

    /// <exception cref="InvalidDataException">The file is damaged or its tokenizer is not supported.</exception>
    public static TokenizerParts Read(string path)
    {
        using var file = GgufFile.Open(path);
        return Read(file);
    }

    /// <inheritdoc cref="Read(string)"/>
    public static TokenizerParts Read(GgufFile file)
    {
        if (!file.TryGetString(ModelKey, out var model)) throw Throw.BadFileException(file.Path, ModelKey, "none", "llama or gpt2");
        return model switch
        {
            "llama" => new GgufTokenizer(file).ReadSentencePiece(),
            "gpt2" => new GgufTokenizer(file).ReadByteLevel(),
            _ => throw Throw.BadFileException(file.Path, ModelKey, model, "llama or gpt2; others are not supported"),
        };
    }

    private TokenizerParts ReadSentencePiece()
    {
        AddTokens(bytesByText: true);
        ReadIds(begin: 1, end: 2, unknown: 0);
        if (!_file.TryGetArray(ScoresKey, out var array)) throw Bad(ScoresKey, "none", "a score for each token");
        var scores = array.As<float>();
        if (scores.Length != _builder.Count) throw Bad(ScoresKey, $"{scores.Length} scores", $"{_builder.Count}, one for each token");
        for (var token = 0; token < scores.Length; token++)
        {
            if (float.IsNaN(scores[token])) throw Bad(ScoresKey, $"no number for token {token}", "numbers");
        }
        var bytes = new int[256];
        var neighbours = new CharacterNeighbours();
        var vocabulary = _builder.BuildSentencePiece(bytes, neighbours);
        vocabulary.Unknown = _unknown;
        var merges = SentencePieceMerges.Create(vocabulary, scores);
        var encoder = new SentencePieceEncoder(vocabulary, merges, neighbours, bytes, fuseUnknown: true);
        var prefix = Flag("tokenizer.ggml.add_space_prefix", true) ? SpacePrefix.Each : SpacePrefix.None;
        return Finish(vocabulary, encoder, "SentencePiece BPE", prefix, addsBegin: true);
    }

    private TokenizerParts ReadByteLevel()
    {
        if (!_file.TryGetString(PreKey, out var name)) throw Bad(PreKey, "none", "gpt-2, llama-bpe, qwen2 or smollm");
        var preTokenizer = PreTokenizer.ByName(name) ?? throw Bad(PreKey, name, "gpt-2, llama-bpe, qwen2 or smollm; others are not supported");
        AddTokens(bytesByText: false);
        ReadIds(begin: -1, end: -1, unknown: -1);
        var vocabulary = _builder.BuildByteLevel();
        if (!_file.TryGetArray(MergesKey, out var array)) throw Bad(MergesKey, "none", "an array");
        var merges = new MergeList(vocabulary, isByteLevel: true, (int)Math.Min(array.Count, int.MaxValue / 4));
        foreach (var merge in array.GetStrings()) merges.Add(merge);
        var isLlama = preTokenizer == PreTokenizer.LlamaBpe;
        var encoder = new ByteLevelEncoder(vocabulary, merges.Merges, preTokenizer, ignoreMerges: isLlama);
        return Finish(vocabulary, encoder, $"byte-level BPE ({preTokenizer.Name})", SpacePrefix.None, addsBegin: isLlama);
    }

    private TokenizerParts Finish(Vocabulary vocabulary, TokenEncoder encoder, string kind, SpacePrefix prefix, bool addsBegin)
    {
        var parts = new TokenizerParts
        {
            Vocabulary = vocabulary,
            Encoder = encoder,
            Kind = kind,
            Prefix = prefix,
            BeginOfText = _begin,
            AddsBeginOfText = Flag("tokenizer.ggml.add_bos_token", addsBegin),
        };
        parts.EndOfGeneration.AddRange(_ends);
        return parts;
    }

    private void AddTokens(bool bytesByText)
    {
        if (!_file.TryGetArray(TokensKey, out var tokens)) throw Bad(TokensKey, "none", "an array of texts");
        var types = ReadOnlySpan<int>.Empty;
        var hasTypes = _file.TryGetArray(TypesKey, out var array);
        if (hasTypes)
        {
            // The specification says int32; the values are the same in a file that says uint32.
            types = array.ElementType == GgufValueType.UInt32 ? MemoryMarshal.Cast<uint, int>(array.As<uint>()) : array.As<int>();
            if (types.Length != tokens.Count) throw Bad(TypesKey, $"{types.Length} types", $"{tokens.Count}, one for each token");
        }
        var id = 0;
        var isPhi3 = IsPhi3();
        foreach (var text in tokens.GetStrings())
        {
            var attributes = TokenAttributes.Normal;
            if (hasTypes) attributes = OfType(types[id], id);
            else if (bytesByText && VocabularyBuilder.TryParseByte(text, out _)) attributes = TokenAttributes.Byte;
            if (isPhi3 && (attributes & TokenAttributes.Added) != 0 && !IsKeptWhole(text)) attributes |= TokenAttributes.RightStrip;
            _builder.Add(id++, text, attributes);
        }
        if (id == 0) throw Bad(TokensKey, "no tokens", "at least one");
        if (!_file.TryGetString("general.architecture", out var architecture)) return;
        var sizeKey = $"{architecture}.vocab_size";
        if (_file.TryGetInteger(sizeKey, out var size) && size != id) throw Bad(sizeKey, $"{size}", $"{id}, the number of tokens");
    }

    /// <summary>GGUF cannot say that a token takes the white space behind it; llama.cpp knows by the name that Phi-3's do, but for three.</summary>
    private bool IsPhi3() =>
        _file.TryGetString("general.name", out var name) &&
        (name.Contains("phi-3", StringComparison.OrdinalIgnoreCase) || name.Contains("phi3", StringComparison.OrdinalIgnoreCase));

    private static bool IsKeptWhole(ReadOnlySpan<byte> text) =>
        text.SequenceEqual("<unk>"u8) || text.SequenceEqual("<s>"u8) || text.SequenceEqual("<|endoftext|>"u8);

    private TokenAttributes OfType(int type, int token) => type switch
    {
        1 => TokenAttributes.Normal,
        2 => TokenAttributes.Unknown,
        3 => TokenAttributes.Control,
        4 => TokenAttributes.UserDefined,
        5 => TokenAttributes.Unused,
        6 => TokenAttributes.Byte,
        _ => throw Bad(TypesKey, $"type {type} of token {token}", "1 to 6"),
    };

    private void ReadIds(int begin, int end, int unknown)
    {
        _begin = Id("tokenizer.ggml.bos_token_id", begin);
        _unknown = Id("tokenizer.ggml.unknown_token_id", unknown);
        foreach (var id in (ReadOnlySpan<int>)
            [Id("tokenizer.ggml.eos_token_id", end), Id("tokenizer.ggml.eot_token_id", -1), Id("tokenizer.ggml.eom_token_id", -1)])
        {
            if (id >= 0) _ends.Add(id);
        }
    }

    private int Id(string key, int missing)
    {
        if (!_file.TryGetInteger(key, out var id)) return missing < _builder.Count ? missing : -1;
        if (id < 0 || id >= _builder.Count) throw Bad(key, $"{id}", $"a token from 0 to {_builder.Count - 1}");
        return (int)id;
    }

    private bool Flag(string key, bool missing) => _file.TryGetBoolean(key, out var value) ? value : missing;

    private InvalidDataException Bad(string key, string found, string expected) => Throw.BadFileException(_file.Path, key, found, expected);
}
