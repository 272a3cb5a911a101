using System.Text;
using TinyLora.Tests.Goldens;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>What a <c>tokenizer.json</c> may ask for, and what is refused by its name.</summary>
public sealed class TokenizerJsonTests : IDisposable
{
    private const string ByteLevel = """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""";
    private const string Llama3Pattern = """(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+""";

    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("\"type\":\"BPE\"", "\"type\":\"WordPiece\"", "WordPiece")]
    [InlineData("\"type\":\"BPE\"", "\"type\":\"Unigram\"", "Unigram")]
    [InlineData("\"type\":\"BPE\"", "\"type\":\"BPE\",\"dropout\":0.1", "dropout")]
    [InlineData("\"type\":\"BPE\"", "\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\"", "end_of_word_suffix")]
    [InlineData("\"type\":\"BPE\"", "\"type\":\"BPE\",\"unk_token\":\"[UNK]\"", "unk_token")]
    [InlineData("\"normalizer\":null", "\"normalizer\":{\"type\":\"Lowercase\"}", "Lowercase")]
    [InlineData("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFKC\"}", "NFKC")]
    [InlineData("\"add_prefix_space\":false", "\"add_prefix_space\":true", "add_prefix_space")]
    [InlineData(ByteLevel, """{"type":"Whitespace"}""", "Whitespace")]
    [InlineData(ByteLevel, """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\d+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","use_regex":false}]}""", "\\d+")]
    [InlineData(ByteLevel, "null", "pre_tokenizer")]
    [InlineData("\"post_processor\":null", "\"post_processor\":{\"type\":\"BertProcessing\"}", "BertProcessing")]
    [InlineData("\"single_word\":false", "\"single_word\":true", "single_word")]
    [InlineData("\"c\":2", "\"c\":1", "token id 1 twice")]
    [InlineData("\"c\":2", "\"b\":2", "the text of token")]
    [InlineData("\"c\":2", "\"c\":-2", "-2")]
    [InlineData("\"c\":2", "\"c\":2000000", "2000000")]
    [InlineData("\"c\":2", "\"c\":\"2\"", "'c'")]
    [InlineData("\"a b\"", "\"ab\"", "'ab'")]
    [InlineData("\"a b\"", "\"a c\"", "'a' and 'c'")]
    [InlineData("\"a b\"", "\" b\"", "empty")]
    [InlineData("\"a b\"", "[\"a\"]", "merge 0")]
    [InlineData("\"merges\":[\"a b\"]", "\"merges\":1", "merges")]
    [InlineData("\"content\":\"<e>\"", "\"content\":\"a\"", "the text of token")]
    [InlineData("\"id\":4", "\"id\":0", "'<e>'")]
    public void Is_refused_by_name(string part, string instead, string named)
    {
        Tokenizer.Open(Write(Json()));
        Assert.Contains(part, Json());
        var error = Assert.Throws<InvalidDataException>(() => Tokenizer.Open(Write(Json().Replace(part, instead))));
        Assert.Contains(named, error.Message);
        Assert.StartsWith(_folder, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"model\":[]}")]
    [InlineData("{\"model\":{}}")]
    [InlineData("{\"model\":{},\"model\":{}}")]
    [InlineData("PK\u0003\u0004")]
    [InlineData("GGUF")]
    public void Other_content_is_refused(string content) => Assert.Throws<InvalidDataException>(() => Tokenizer.Open(Write(content)));

    [Fact]
    public void Deep_nesting_is_refused() =>
        Assert.Throws<InvalidDataException>(() => Tokenizer.Open(Write("{\"model\":" + new string('[', 100_000))));

    [Fact]
    public void A_path_without_a_tokenizer_is_named()
    {
        Assert.Contains("tokenizer.json", Assert.Throws<InvalidDataException>(() => Tokenizer.Open(_folder)).Message);
        Assert.Throws<FileNotFoundException>(() => Tokenizer.Open(Path.Combine(_folder, "none")));
    }

    [Fact]
    public void The_name_does_not_matter()
    {
        File.WriteAllText(Path.Combine(_folder, "model.gguf"), "\uFEFF \n" + Json());
        Assert.Equal(5, Tokenizer.Open(Path.Combine(_folder, "model.gguf")).VocabularySize);
    }

    [Fact]
    public void Patterns_are_known_by_their_exact_form()
    {
        var split = """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"PATTERN"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}""";
        Assert.Equal("byte-level BPE (llama-bpe)", Tokenizer.Open(Write(Json().Replace(ByteLevel, split.Replace("PATTERN", Llama3Pattern)))).Kind);
        Assert.Equal("byte-level BPE (qwen2)", Tokenizer.Open(Write(Json().Replace(ByteLevel, split.Replace("PATTERN", Llama3Pattern.Replace("{1,3}", ""))))).Kind);
        Assert.Equal("byte-level BPE (gpt-2)", Tokenizer.Open(Write(Json())).Kind);
    }

    [Fact]
    public void Ends_and_begins_come_from_the_files_beside()
    {
        var path = Write(Json());
        Assert.Equal(-1, Tokenizer.Open(path).BeginOfText);
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{"bos_token":{"content":"<e>"},"eos_token":"a","add_bos_token":true}""");
        File.WriteAllText(Path.Combine(_folder, "generation_config.json"), """{"eos_token_id":[1,2]}""");
        File.WriteAllText(Path.Combine(_folder, "config.json"), """{"eos_token_id":3,"bos_token_id":1}""");
        var tokenizer = Tokenizer.Open(_folder);
        Assert.Equal((4, true), (tokenizer.BeginOfText, tokenizer.AddsBeginOfText));
        Assert.Equal([true, true, true, true, false], Enumerable.Range(0, 5).Select(tokenizer.IsEndOfGeneration));
        Assert.Equal([4, 3], tokenizer.Encode("ab", begin: true));

        File.WriteAllText(Path.Combine(_folder, "config.json"), """{"eos_token_id":5}""");
        Assert.Contains("eos_token_id 5", Assert.Throws<InvalidDataException>(() => Tokenizer.Open(_folder)).Message);
        File.WriteAllText(Path.Combine(_folder, "config.json"), "{");
        Assert.Throws<InvalidDataException>(() => Tokenizer.Open(_folder));
    }

    [Fact]
    public void Special_tokens_may_take_white_space_with_them()
    {
        var tokenizer = Tokenizer.Open(Write(Json().Replace("\"lstrip\":false,\"rstrip\":false", "\"lstrip\":true,\"rstrip\":true")));
        Assert.Equal([0, 4, 1], tokenizer.Encode("a \t\u3000<e> \n b", special: true));
        // Without the permission it is text, of which this vocabulary has only the letters.
        Assert.Equal([0, 1], tokenizer.Encode("a \t<e> \n b"));
    }

    [Fact]
    public void User_defined_tokens_are_always_recognised()
    {
        var tokenizer = Tokenizer.Open(Write(Json().Replace("\"special\":true", "\"special\":false")));
        Assert.Equal([0, 4, 1, 4], tokenizer.Encode("a<e>b<e>"));
        Assert.Equal("a<e>b<e>", tokenizer.Decode([0, 4, 1, 4]));
    }

    [Theory]
    [InlineData("never", "a", "<e>a")]
    [InlineData("first", " a", "<e>a")]
    [InlineData("always", " a", "<e> a")]
    public void Spaces_are_put_where_the_scheme_says(string scheme, string start, string behind)
    {
        var metaspace = $$$"""{"type":"Metaspace","replacement":"▁","prepend_scheme":"{{{scheme}}}","split":false}""";
        var tokenizer = Tokenizer.Open(Write(Json().Replace(ByteLevel, metaspace).Replace("\"c\":2", "\"▁\":2")));
        Assert.Equal(start, Raw(tokenizer, tokenizer.Encode("a")));
        Assert.Equal(behind, Raw(tokenizer, tokenizer.Encode("<e>a", special: true)));
        Assert.Equal(" a<e> b", Raw(tokenizer, tokenizer.Encode(" a<e> b", special: true)));
    }

    [SkippableFact]
    public void Changed_files_open_or_are_refused()
    {
        var sound = File.ReadAllBytes(Shared.Path("models/tinystories-656k/tokenizer.json"));
        var random = new Random(11);
        var refused = 0;
        const int rounds = 300;
        for (var round = 0; round < rounds; round++)
        {
            var changed = sound.ToArray();
            for (var i = 0; i <= round % 3; i++) changed[random.Next(round % 2 == 0 ? 4_000 : changed.Length)] = (byte)"0129\"{}[],:-\\\u0000e"[random.Next(15)];
            File.WriteAllBytes(Path.Combine(_folder, "tokenizer.json"), changed);
            if (Record.Exception(() => Tokenizer.Open(_folder).Encode("Once upon", special: true)) is not { } error) continue;
            Assert.IsType<InvalidDataException>(error);
            refused++;
        }
        Assert.InRange(refused, rounds / 4, rounds - 1);
    }

    private static string Json() =>
        $$$"""{"version":"1.0","added_tokens":[{"id":4,"content":"<e>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":{{{ByteLevel}}},"post_processor":null,"decoder":null,"model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3},"merges":["a b"]}}""";

    /// <summary>The bytes of the tokens as they are, with the spaces that were put before text.</summary>
    private static string Raw(Tokenizer tokenizer, int[] tokens)
    {
        var buffer = new byte[tokenizer.MaxTokenBytes];
        return string.Concat(tokens.Select(token => Encoding.UTF8.GetString(buffer, 0, tokenizer.Decode(token, buffer, special: true))));
    }

    private string Write(string json)
    {
        var path = Path.Combine(_folder, "tokenizer.json");
        File.WriteAllText(path, json);
        return path;
    }
}
