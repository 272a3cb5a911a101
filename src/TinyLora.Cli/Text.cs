using System.Text;

namespace TinyLora.Cli;

/// <summary>Text in UTF-8, without a byte order mark.</summary>
internal static class Text
{
    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>The text on one line, for messages.</summary>
    public static string OneLine(string text)
    {
        var line = new StringBuilder(text.Length);
        foreach (var character in text)
        {
            var isBreak = char.IsControl(character) || character is '\u2028' or '\u2029';
            if (!isBreak) line.Append(character);
            else if (line.Length > 0 && line[^1] != ' ') line.Append(' ');
        }
        return line.ToString().Trim();
    }
}
