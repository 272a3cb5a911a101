using System.Runtime.CompilerServices;
using System.Text;

namespace TinyLora.Generators.Text;

/// <summary>Writes indented source: four spaces a level, <c>\n</c> at every line's end, numbers by the invariant culture.</summary>
internal sealed class SourceWriter
{
    private readonly StringBuilder _text = new();
    private int _level;

    /// <summary>An empty line.</summary>
    public SourceWriter Line()
    {
        _text.Append('\n');
        return this;
    }

    /// <summary>One line, or several, each at this level.</summary>
    public SourceWriter Line(string text)
    {
        for (int start = 0, end; start <= text.Length; start = end + 1)
        {
            end = text.IndexOf('\n', start);
            if (end < 0) end = text.Length;
            var length = end > start && text[end - 1] == '\r' ? end - start - 1 : end - start;
            if (length > 0) _text.Append(' ', 4 * _level).Append(text, start, length);
            _text.Append('\n');
        }

        return this;
    }

    /// <inheritdoc cref="Line(string)"/>
    public SourceWriter Line(SourceText text) => Line(text.ToString());

    /// <summary>Writes the header, if any, and an opening brace; the lines that follow are one level deeper.</summary>
    public SourceWriter Open(string header = "")
    {
        if (header.Length > 0) Line(header);
        Line("{");
        return Indent();
    }

    /// <inheritdoc cref="Open(string)"/>
    public SourceWriter Open(SourceText header) => Open(header.ToString());

    /// <summary>Closes what <see cref="Open(string)"/> opened.</summary>
    /// <param name="tail">What follows the brace, as in <c>};</c>.</param>
    public SourceWriter Close(string tail = "") => Outdent().Line("}" + tail);

    /// <summary><see cref="Open(string)"/> now, <see cref="Close"/> at the end of the <c>using</c>.</summary>
    public Scope Block(string header = "") => new(Open(header));

    /// <inheritdoc cref="Block(string)"/>
    public Scope Block(SourceText header) => Block(header.ToString());

    /// <summary>One level deeper, without a brace.</summary>
    public SourceWriter Indent()
    {
        _level++;
        return this;
    }

    /// <summary>One level back.</summary>
    public SourceWriter Outdent()
    {
        if (_level == 0) throw new InvalidOperationException("More blocks are closed than were opened.");
        _level--;
        return this;
    }

    public override string ToString() =>
        _level == 0 ? _text.ToString() : throw new InvalidOperationException("A block was not closed.");

    internal readonly struct Scope(SourceWriter writer) : IDisposable
    {
        public void Dispose() => writer.Close();
    }
}

/// <summary>An interpolated string whose numbers are written by the invariant culture.</summary>
[InterpolatedStringHandler]
internal readonly ref struct SourceText(int literalLength, int formattedCount)
{
    private readonly StringBuilder _text = new(literalLength + (8 * formattedCount));

    public void AppendLiteral(string text) => _text.Append(text);

    public void AppendFormatted(string? text) => _text.Append(text);

    public void AppendFormatted(char character) => _text.Append(character);

    public void AppendFormatted(bool value) => _text.Append(value ? "true" : "false");

    public void AppendFormatted<T>(T value, string? format = null) => _text.Append(value switch
    {
        IFormattable formattable => formattable.ToString(format, System.Globalization.CultureInfo.InvariantCulture),
        _ => value?.ToString(),
    });

    public override string ToString() => _text.ToString();
}
