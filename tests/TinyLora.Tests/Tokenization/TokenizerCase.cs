using System.Text;
using System.Text.Json;
using TinyLora.Tests.Goldens;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>A text and the tokens that another implementation gave for it.</summary>
internal sealed record TokenizerCase(string Text, bool Special, int[] Ids, JsonElement Row)
{
    /// <summary>Cases of a golden file.</summary>
    /// <param name="path">Under ../shared.</param>
    /// <param name="list">"cases" or "differ".</param>
    /// <param name="ids">Name of the expected ids; rows that have none are left out.</param>
    public static List<TokenizerCase> Read(string path, string list, string ids)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Shared.Path(path)));
        var cases = new List<TokenizerCase>();
        foreach (var row in document.RootElement.GetProperty(list).EnumerateArray())
        {
            if (!row.TryGetProperty(ids, out var expected) || expected.ValueKind == JsonValueKind.Null) continue;
            var special = row.TryGetProperty("parse_special", out var flag) && flag.GetBoolean();
            cases.Add(new TokenizerCase(row.GetProperty("text").GetString()!, special, [.. expected.EnumerateArray().Select(id => id.GetInt32())], row.Clone()));
        }
        return cases;
    }

    /// <summary>Cases of llama.cpp's vocabulary tests: texts in .inp, a line of ids for each in .out.</summary>
    public static List<TokenizerCase> ReadLines(string path)
    {
        var texts = File.ReadAllText(Shared.Path(path + ".inp")).Split("\n__ggml_vocab_test__\n");
        var lines = File.ReadAllLines(Shared.Path(path + ".out"));
        Assert.True(lines.Length >= texts.Length - 1);
        var cases = new List<TokenizerCase>();
        for (var i = 0; i < lines.Length; i++)
        {
            var ids = lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse);
            cases.Add(new TokenizerCase(texts[i], false, [.. ids], default));
        }
        return cases;
    }

    /// <summary>Encodes in a span that has just room for the expected tokens, decodes token by token and as a whole.</summary>
    public void Check(Tokenizer tokenizer, bool decodes = true)
    {
        var utf8 = Encoding.UTF8.GetBytes(Text);
        Assert.InRange(Ids.Length, 0, tokenizer.MaxTokenCount(utf8.Length));
        var tokens = new int[Ids.Length];
        var count = Record.Exception(() => tokenizer.Encode(utf8, tokens, Special)) is { } error
            ? throw new Xunit.Sdk.XunitException($"{JsonSerializer.Serialize(Text)}: {error.Message} Got {string.Join(' ', tokenizer.Encode(Text, Special))}, expected {string.Join(' ', Ids)}")
            : tokenizer.Encode(utf8, tokens, Special);
        Assert.True(Ids.AsSpan().SequenceEqual(tokens.AsSpan(0, count)), $"{JsonSerializer.Serialize(Text)}: {string.Join(' ', tokens[..count])}, expected {string.Join(' ', Ids)}");
        if (!decodes) return;
        Assert.Equal(Text, tokenizer.Decode(Ids, special: true));
        var decoder = new TokenStreamDecoder(tokenizer, special: true, start: true);
        var buffer = new byte[tokenizer.MaxTokenBytes + 4];
        var streamed = new StringBuilder();
        foreach (var id in Ids)
        {
            var part = buffer.AsSpan(0, decoder.Append(id, buffer));
            Assert.True(System.Text.Unicode.Utf8.IsValid(part));
            streamed.Append(Encoding.UTF8.GetString(part));
        }
        streamed.Append(Encoding.UTF8.GetString(buffer.AsSpan(0, decoder.Flush(buffer))));
        Assert.Equal(Text, streamed.ToString());
    }
}
