using System.Text;
using TinyLora.Conversation;
using Xunit;

namespace TinyLora.Tests.Conversation;

public class StopSequenceMatcherTests
{
    [Theory]
    [InlineData("no stop here", null, "STOP", "###")]
    [InlineData("before STOP after", "before ", "STOP", "###")]
    [InlineData("a STO b ## c", null, "STOP", "###")]
    [InlineData("ababab abac", "ababab ", "abac")]
    [InlineData("aaab", "a", "aab")]
    [InlineData("xx##STOP", "xx##", "STOP", "###")]
    [InlineData("xx##STOP", "xx", "STOP", "##S")]
    [InlineData("größe äöü", "gr", "öß")]
    [InlineData("at the end STO", null, "STOP")]
    [InlineData("STOP", "", "STOP")]
    public void Nothing_of_a_stop_sequence_passes_however_the_text_is_cut(string text, string? expected, params string[] stops)
    {
        var characters = text.EnumerateRunes().Select(rune => Encoding.UTF8.GetBytes(rune.ToString())).ToArray();
        for (var step = 1; step <= 4; step++)
        {
            var matcher = new StopSequenceMatcher(stops, 64);
            var passed = new List<byte>();
            var stopped = false;
            for (var i = 0; i < characters.Length && !stopped; i += step)
            {
                stopped = matcher.Append(characters.Skip(i).Take(step).SelectMany(each => each).ToArray());
                passed.AddRange(matcher.Ready);
                // What is passed on begins the final text at every moment.
                Assert.StartsWith(Encoding.UTF8.GetString([.. passed]), expected ?? text, StringComparison.Ordinal);
            }
            if (!stopped)
            {
                matcher.Flush();
                passed.AddRange(matcher.Ready);
            }
            Assert.Equal(expected is not null, stopped);
            Assert.Equal(expected ?? text, Encoding.UTF8.GetString([.. passed]));
        }
    }

    [Fact]
    public void Holds_back_no_more_than_it_must()
    {
        var matcher = new StopSequenceMatcher(["\n\nUser:"], 64);
        Assert.False(matcher.Append("line\nnext\n"u8));
        Assert.Equal("line\nnext", Encoding.UTF8.GetString(matcher.Ready));
        Assert.False(matcher.Append("x"u8));
        Assert.Equal("\nx", Encoding.UTF8.GetString(matcher.Ready));
    }

    [Fact]
    public void Forgets_when_cleared()
    {
        var matcher = new StopSequenceMatcher(["ab"], 8);
        matcher.Append("xa"u8);
        matcher.Clear();
        Assert.False(matcher.Append("b"u8));
        Assert.Equal("b", Encoding.UTF8.GetString(matcher.Ready));
    }
}
