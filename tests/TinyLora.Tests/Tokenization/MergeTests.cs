using System.Text;
using TinyLora.Files;
using TinyLora.Tests.Files;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>Merging against the plainest program for it, on vocabularies made at random: short words, long ones, equal scores.</summary>
public sealed class MergeTests : IDisposable
{
    private const string Letters = "abcd";

    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Byte_level_merges_the_lowest_rank_first()
    {
        var random = new Random(1);
        for (var round = 0; round < 60; round++)
        {
            var tokens = Letters.Select(letter => letter.ToString()).ToList();
            var merges = new List<(string Left, string Right)>();
            while (merges.Count < 60)
            {
                var (left, right) = (tokens[random.Next(tokens.Count)], tokens[random.Next(tokens.Count)]);
                if (merges.Contains((left, right)) || left.Length + right.Length > 12) continue;
                merges.Add((left, right));
                if (!tokens.Contains(left + right)) tokens.Add(left + right);
            }
            var vocab = string.Join(',', tokens.Select((token, id) => $"\"{token}\":{id}"));
            var pairs = string.Join(',', merges.Select(merge => $"[\"{merge.Left}\",\"{merge.Right}\"]"));
            File.WriteAllText(_path, $$$"""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{{{{vocab}}}},"merges":[{{{pairs}}}]}}""");
            Check(random, tokens, (left, right) => merges.IndexOf((left, right)) is >= 0 and var rank ? rank : null);
        }
    }

    [Fact]
    public void SentencePiece_merges_the_highest_score_first()
    {
        var random = new Random(2);
        for (var round = 0; round < 60; round++)
        {
            var tokens = Letters.Select(letter => letter.ToString()).ToList();
            while (tokens.Count < 60)
            {
                var token = string.Concat(Enumerable.Range(0, random.Next(2, 7)).Select(_ => Letters[random.Next(Letters.Length)]));
                if (!tokens.Contains(token)) tokens.Add(token);
            }
            // One letter is no token by itself; what it is part of still merges.
            if (round % 2 == 0) tokens.Remove("d");
            var scores = tokens.Select(_ => (float)(random.Next(9) - 4)).ToList();
            File.WriteAllBytes(_path, new GgufWriter()
                .Key("general.architecture", "llama")
                .Key("tokenizer.ggml.model", "llama")
                .Key("tokenizer.ggml.add_space_prefix", GgufValueType.Boolean, w => w.Write((byte)0))
                .Key("tokenizer.ggml.unknown_token_id", (uint)tokens.Count)
                .Key("tokenizer.ggml.token_type", GgufValueType.Array, w => Array(w, GgufValueType.Int32, tokens.Count + 1, i => w.Write(i == tokens.Count ? 2 : 1)))
                .Key("tokenizer.ggml.scores", GgufValueType.Array, w => Array(w, GgufValueType.Float32, tokens.Count + 1, i => w.Write(i == tokens.Count ? 0 : scores[i])))
                .Key("tokenizer.ggml.tokens", GgufValueType.Array, w => Array(w, GgufValueType.String, tokens.Count + 1, i => GgufWriter.Text(w, i == tokens.Count ? "<unk>" : tokens[i])))
                .ToArray());
            Check(random, tokens, (left, right) => tokens.IndexOf(left + right) is >= 0 and var token ? -scores[token] : null);
        }
    }

    /// <summary>Each byte is written by its token, a space as the three of ▁; MaxTokenCount is enough for that too.</summary>
    [Fact]
    public void SentencePiece_of_bytes_alone()
    {
        File.WriteAllBytes(_path, new GgufWriter()
            .Key("general.architecture", "llama")
            .Key("tokenizer.ggml.model", "llama")
            .Key("tokenizer.ggml.token_type", GgufValueType.Array, w => Array(w, GgufValueType.Int32, 257, i => w.Write(i == 0 ? 2 : 6)))
            .Key("tokenizer.ggml.scores", GgufValueType.Array, w => Array(w, GgufValueType.Float32, 257, i => w.Write(0f)))
            .Key("tokenizer.ggml.tokens", GgufValueType.Array, w => Array(w, GgufValueType.String, 257, i => GgufWriter.Text(w, i == 0 ? "<unk>" : $"<0x{i - 1:X2}>")))
            .ToArray());
        var tokenizer = Tokenizer.Open(_path);
        foreach (var text in (string[])["", " ", "a b", "     ", "\u00E9\uD83D\uDE00"])
        {
            var expected = Encoding.UTF8.GetBytes(text.Length == 0 ? "" : "▁" + text.Replace(' ', '▁')).Select(b => b + 1);
            Assert.Equal(expected, tokenizer.Encode(text));
        }
    }

    private static void Array(BinaryWriter writer, GgufValueType type, int count, Action<int> write)
    {
        writer.Write((uint)type);
        writer.Write((ulong)count);
        for (var i = 0; i < count; i++) write(i);
    }

    private void Check(Random random, List<string> tokens, Func<string, string, double?> rank)
    {
        var tokenizer = Tokenizer.Open(_path);
        foreach (var length in (int[])[1, 2, 3, 7, 20, 47, 48, 49, 127, 128, 129, 300])
        {
            // Few different letters make many pairs overlap.
            var kinds = random.Next(1, Letters.Length + 1);
            var text = string.Concat(Enumerable.Range(0, length).Select(_ => Letters[Letters.Length - 1 - random.Next(kinds)]));
            Assert.Equal(Merged(text, tokens, rank), tokenizer.Encode(text));
        }
    }

    private static List<int> Merged(string text, List<string> tokens, Func<string, string, double?> rank)
    {
        var symbols = text.Select(letter => letter.ToString()).ToList();
        while (true)
        {
            var best = double.PositiveInfinity;
            var at = -1;
            for (var i = 0; i + 1 < symbols.Count; i++)
            {
                if (rank(symbols[i], symbols[i + 1]) is not { } found || found >= best) continue;
                best = found;
                at = i;
            }
            if (at < 0) break;
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
        var ids = symbols.Select(symbol => tokens.IndexOf(symbol) is >= 0 and var id ? id : tokens.Count).ToList();
        // A row of unknown letters is one unknown token.
        return [.. ids.Where((id, i) => id < tokens.Count || i == 0 || ids[i - 1] < tokens.Count)];
    }
}
