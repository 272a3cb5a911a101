using System.Text;
using System.Text.Unicode;
using TinyLora.Tests.Goldens;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

public class TokenStreamDecoderTests
{
    /// <summary>Byte by byte, whatever the bytes are: whole characters each time, and together what decoding all at once gives.</summary>
    [SkippableFact]
    public void Characters_are_never_split()
    {
        var tokenizer = Tokenizer.Open(Shared.Path("models/lantern/hf"));
        var random = new Random(3);
        var buffer = new byte[tokenizer.MaxTokenBytes + 4];
        for (var round = 0; round < 500; round++)
        {
            var text = new byte[random.Next(40)];
            random.NextBytes(text);
            if (round % 2 == 0) text = [.. "\u00E9\u20AC\uD83D\uDE00"u8[..random.Next(10)], .. text, .. "\uD83D\uDE00"u8];
            var decoder = new TokenStreamDecoder(tokenizer);
            var written = new List<byte>();
            var tokens = new int[tokenizer.MaxTokenCount(text.Length)];
            var count = tokenizer.Encode(text, tokens);
            foreach (var token in tokens.AsSpan(0, count))
            {
                var part = buffer.AsSpan(0, decoder.Append(token, buffer));
                Assert.True(Utf8.IsValid(part));
                written.AddRange(part);
            }
            written.AddRange(buffer.AsSpan(0, decoder.Flush(buffer)));
            Assert.Equal(Encoding.UTF8.GetString(text), Encoding.UTF8.GetString([.. written]));
            Assert.Equal(Encoding.UTF8.GetString(text), tokenizer.Decode(tokens.AsSpan(0, count)));
            Assert.Equal(0, decoder.Flush(buffer));
        }
    }

    [SkippableFact]
    public void An_unfinished_character_waits()
    {
        var tokenizer = Tokenizer.Open(Shared.Path("models/lantern/hf"));
        var tokens = tokenizer.Encode("\uD83D\uDE00");
        Assert.Equal(4, tokens.Length);
        var decoder = new TokenStreamDecoder(tokenizer);
        var buffer = new byte[tokenizer.MaxTokenBytes + 4];
        for (var i = 0; i < 3; i++) Assert.Equal(0, decoder.Append(tokens[i], buffer));
        Assert.Equal(4, decoder.Append(tokens[3], buffer));
        Assert.Equal("\uD83D\uDE00"u8.ToArray(), buffer[..4]);
        decoder.Append(tokens[0], buffer);
        Assert.Equal("\uFFFD"u8.ToArray(), buffer[..decoder.Flush(buffer)]);
    }

    /// <summary>An answer goes on after the prompt, so its first space is its own.</summary>
    [SkippableFact]
    public void The_space_before_a_text_is_dropped_only_at_its_start()
    {
        var tokenizer = Tokenizer.Open(Shared.Path("models/stories260k/stories260K-f32.gguf"));
        var token = tokenizer.Encode("Once")[0];
        var buffer = new byte[tokenizer.MaxTokenBytes + 4];
        Assert.Equal(" Once", Encoding.UTF8.GetString(buffer, 0, new TokenStreamDecoder(tokenizer).Append(token, buffer)));
        Assert.Equal("Once", Encoding.UTF8.GetString(buffer, 0, new TokenStreamDecoder(tokenizer, start: true).Append(token, buffer)));
        Assert.Equal("Once Once", tokenizer.Decode([tokenizer.BeginOfText, token, token]));
        Assert.Throws<ArgumentException>(() => new TokenStreamDecoder(tokenizer).Append(token, new byte[2]));
    }
}
