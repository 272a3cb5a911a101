using System.Text;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>The composed form, on the examples of Unicode Standard Annex 15 and its rules.</summary>
public class UnicodeCompositionTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain", "plain")]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("\u00E9", "\u00E9")]
    [InlineData("\u212B", "\u00C5")] // a singleton
    [InlineData("\u2126", "\u03A9")]
    [InlineData("\u1E0B\u0323", "\u1E0D\u0307")] // reordered
    [InlineData("q\u0307\u0323", "q\u0323\u0307")]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323")]
    [InlineData("\uFB01", "\uFB01")] // compatibility only
    [InlineData("\u0958", "\u0915\u093C")] // excluded from composition
    [InlineData("\u1100\u1161\u11A8", "\uAC01")] // Hangul
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("\uAC01\u11A8", "\uAC01\u11A8")]
    [InlineData("\u0301a", "\u0301a")]
    [InlineData("a\u0315\u0300\u05AE\u0300b", "\u00E0\u05AE\u0300\u0315b")] // the second accent is blocked
    [InlineData("\u1F82", "\u1F82")]
    [InlineData("\u0390", "\u0390")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\uD834\uDD60", "\uD834\uDD58\uD834\uDD65\uD834\uDD6E")] // three times the bytes
    [InlineData("\uD87E\uDC00", "\u4E3D")]
    public void Characters_are_composed(string text, string expected)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        Assert.Equal(expected, Encoding.UTF8.GetString(Composed(utf8)));
        Assert.Equal(expected, Encoding.UTF8.GetString(Composed(Encoding.UTF8.GetBytes(expected))));
        if (text != expected) Assert.False(UnicodeComposition.IsSurelyComposed(utf8));
    }

    [Fact]
    public void Bytes_that_are_no_text_stay()
    {
        byte[] text = [0xFF, .. "e\u0301"u8, 0xE2, 0x82, .. "\u0301"u8, 0xC3];
        Assert.Equal([0xFF, .. "\u00E9"u8, 0xE2, 0x82, .. "\u0301"u8, 0xC3], Composed(text));
    }

    /// <summary>Sorting by insertion takes minutes here.</summary>
    [Fact]
    public void A_million_accents_take_no_time()
    {
        var text = Encoding.UTF8.GetBytes("a" + new StringBuilder().Insert(0, "\u0301\u0323", 300_000));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var composed = Encoding.UTF8.GetString(Composed(text));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Assert.Equal(600_000, composed.Length);
        Assert.Equal("\u1EA1" + new string('\u0323', 299_999) + new string('\u0301', 300_000), composed);
    }

    private static byte[] Composed(byte[] text)
    {
        var composed = new byte[text.Length * 3];
        return composed[..UnicodeComposition.Compose(text, composed)];
    }
}
