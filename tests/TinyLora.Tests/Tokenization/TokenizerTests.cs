using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using TinyLora.Tests.Goldens;
using TinyLora.Tests.Oracles;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>What holds for any text and any of the tokenizers.</summary>
public class TokenizerTests
{
    // What takes a tenth of a second takes minutes if it grows with the square of the text; between them lies room for a busy machine.
    private static readonly TimeSpan s_maxTime = TimeSpan.FromSeconds(10);

    private static readonly ConcurrentDictionary<string, Tokenizer> s_opened = new();

    public static TheoryData<string> Tokenizers() =>
    [
        "tokenizers/ggml-vocab-llama-spm.gguf",
        "tokenizers/ggml-vocab-gpt-2.gguf",
        "tokenizers/llama-3.1",
        "tokenizers/qwen3",
        "models/stories260k/stories260K-f32.gguf",
        "models/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "models/lantern/hf",
    ];

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void Whole_books_come_back(string path)
    {
        var tokenizer = Opened(path);
        foreach (var name in (string[])["tinyshakespeare.txt", "tinystories_197k.txt", "function-calls.jsonl"])
        {
            var text = File.ReadAllBytes(Shared.Path($"text/{name}"));
            var watch = Stopwatch.StartNew();
            var tokens = Encode(tokenizer, text);
            Assert.InRange(watch.Elapsed, TimeSpan.Zero, s_maxTime);
            Assert.True(text.AsSpan().SequenceEqual(Decode(tokenizer, tokens)));
            Assert.Equal(Encoding.UTF8.GetString(text), tokenizer.Decode(tokens));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void Any_bytes_come_back(string path)
    {
        var tokenizer = Opened(path);
        byte[][] texts =
        [
            [], [0], "a\0b\0"u8.ToArray(), [0x80], [0xFF, 0xFE], "caf\u00E9"u8[..4].ToArray(), [0xF0, 0x9F, 0x98], [.. "x"u8, 0xE2, 0x82, .. "y z"u8], [0xC0, 0xAF], [0xED, 0xA0, 0x80],
            "'"u8.ToArray(), " "u8.ToArray(), "   "u8.ToArray(), "\n"u8.ToArray(), " \n \n"u8.ToArray(), "\u3000\u2003x"u8.ToArray(), "\u00BD\u2167\u0661"u8.ToArray(),
        ];
        foreach (var text in texts) CheckBytes(tokenizer, text);
        var random = new Random(5);
        for (var i = 0; i < 300; i++)
        {
            var text = new byte[random.Next(200)];
            random.NextBytes(text);
            CheckBytes(tokenizer, text);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void Long_words_take_no_time(string path)
    {
        var tokenizer = Opened(path);
        var random = new Random(7);
        var letters = new byte[300_000];
        for (var i = 0; i < letters.Length; i++) letters[i] = (byte)('a' + random.Next(26));
        foreach (var text in (byte[][])
            [letters, Repeat("a", 300_000), Repeat(" ", 300_000), Repeat("\n", 300_000), Repeat("<", 300_000), Repeat("ab", 300_000), Repeat("\u0301", 100_000), Repeat("7", 300_000), Repeat("\uD55C", 100_000)])
        {
            var watch = Stopwatch.StartNew();
            var tokens = Encode(tokenizer, text, special: true);
            Assert.InRange(watch.Elapsed, TimeSpan.Zero, s_maxTime);
            Assert.True(text.AsSpan().SequenceEqual(Decode(tokenizer, tokens)));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void Control_tokens_need_permission(string path)
    {
        var tokenizer = Opened(path);
        foreach (var text in (string[])["<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>"])
        {
            var utf8 = Encoding.UTF8.GetBytes(text);
            var token = tokenizer.Find(utf8);
            if (token < 0 || tokenizer.Decode(token, new byte[tokenizer.MaxTokenBytes]) != 0) continue;
            Assert.Equal([token], tokenizer.Encode(text, special: true));
            Assert.DoesNotContain(token, tokenizer.Encode(text));
            Assert.DoesNotContain(token, tokenizer.Encode($"a {text} b{text}"));
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
            Assert.Equal(text, tokenizer.Decode([token], special: true));
            Assert.Equal("", tokenizer.Decode([token]));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void Nothing_is_allocated(string path)
    {
        var tokenizer = Opened(path);
        byte[] text = [.. File.ReadAllBytes(Shared.Path("text/tinystories_197k.txt")).AsSpan(0, 20_000), .. Repeat("a", 3_000), .. "<s><|im_start|> x\u0301\u1E0B\u0323 \uD83D\uDE00"u8, 0xFF];
        var tokens = new int[tokenizer.MaxTokenCount(text.Length)];
        var buffer = new byte[tokenizer.MaxTokenBytes + 4];
        Assert.Equal(0, Allocations.Least(() =>
        {
            var count = tokenizer.Encode(text, tokens, special: true, begin: true);
            var decoder = new TokenStreamDecoder(tokenizer, special: true);
            foreach (var token in tokens.AsSpan(0, count))
            {
                decoder.Append(token, buffer);
                tokenizer.Decode(token, buffer);
                tokenizer.IsEndOfGeneration(token);
            }
            decoder.Flush(buffer);
            tokenizer.Find("<|im_end|>"u8);
        }));
    }

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void Threads_share_a_tokenizer(string path)
    {
        var tokenizer = Tokenizer.Open(Shared.Path(path));
        var text = File.ReadAllText(Shared.Path("text/tinystories_197k.txt"))[..30_000] + new string('a', 500);
        var expected = Opened(path).Encode(text);
        var results = new int[4][];
        var threads = Enumerable.Range(0, results.Length).Select(i => new Thread(() => results[i] = tokenizer.Encode(text))).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.All(results, result => Assert.Equal(expected, result));
    }

    [SkippableTheory]
    [MemberData(nameof(Tokenizers))]
    public void A_span_that_is_too_short_is_refused(string path)
    {
        var tokenizer = Opened(path);
        const string text = "Once upon a time, in 1234";
        var count = tokenizer.Encode(text).Length;
        Assert.Throws<ArgumentException>(() => tokenizer.Encode(Encoding.UTF8.GetBytes(text), new int[count - 1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode(tokenizer.VocabularySize, new byte[tokenizer.MaxTokenBytes]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.IsEndOfGeneration(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.MaxTokenCount(-1));
        Assert.Throws<ArgumentException>(() => tokenizer.Decode(tokenizer.Encode("Once")[0], []));
    }

    private static void CheckBytes(Tokenizer tokenizer, byte[] text)
    {
        // Qwen's text is composed; the bytes that some vocabularies have no token for (they occur in no UTF-8) are left out.
        var expected = text;
        if (tokenizer.Kind.Contains("qwen2", StringComparison.Ordinal))
        {
            expected = new byte[text.Length * 3];
            expected = expected[..UnicodeComposition.Compose(text, expected)];
        }
        if (tokenizer.Kind.StartsWith("byte-level", StringComparison.Ordinal)) expected = [.. expected.Where(b => tokenizer.Find([b]) >= 0)];
        Assert.Equal(expected, Decode(tokenizer, Encode(tokenizer, text)));
    }

    /// <summary>Opened once for all tests: the big ones take a second.</summary>
    private static Tokenizer Opened(string path) => s_opened.GetOrAdd(Shared.Path(path), Tokenizer.Open);

    private static byte[] Repeat(string text, int count) => Encoding.UTF8.GetBytes(new StringBuilder().Insert(0, text, count).ToString());

    private static int[] Encode(Tokenizer tokenizer, ReadOnlySpan<byte> text, bool special = false)
    {
        var tokens = new int[tokenizer.MaxTokenCount(text.Length)];
        return tokens[..tokenizer.Encode(text, tokens, special)];
    }

    /// <summary>The bytes of all tokens one after the other, without the space that SentencePiece puts before a text.</summary>
    private static byte[] Decode(Tokenizer tokenizer, int[] tokens)
    {
        var bytes = new List<byte>();
        var buffer = new byte[tokenizer.MaxTokenBytes];
        foreach (var token in tokens) bytes.AddRange(buffer.AsSpan(0, tokenizer.Decode(token, buffer, special: true)));
        var prefix = tokenizer.Kind.StartsWith("Sentence", StringComparison.Ordinal) && bytes.Count > 0 ? 1 : 0;
        return [.. bytes.Skip(prefix)];
    }
}
