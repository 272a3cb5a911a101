using System.Globalization;
using System.Text;

namespace TinyLora.Conversation;

/// <summary>
/// Cuts a template into text and tags with Jinja's rules for white space as chat templates are used: <c>trim_blocks</c> and
/// <c>lstrip_blocks</c> on, one newline at the end dropped.
/// </summary>
internal ref struct TemplateScanner
{
    // A chain of operators is evaluated as deep as it is long; real tags have some dozens of tokens.
    private const int MaxTokens = 1024;

    private static readonly string[] TwoCharacterOperators = ["==", "!=", "<=", ">=", "//", "**"];

    private readonly ReadOnlySpan<char> _source;
    private readonly List<TemplateTag> _tags = [];
    private int _at;

    private TemplateScanner(ReadOnlySpan<char> source) => _source = source;

    /// <exception cref="TemplateNotSupportedException">It is no template of Jinja's.</exception>
    public static List<TemplateTag> Scan(string template)
    {
        var source = template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var scanner = new TemplateScanner(source.EndsWith('\n') ? source.AsSpan(0, source.Length - 1) : source);
        scanner.Run();
        return scanner._tags;
    }

    private void Run()
    {
        var lineStarts = true;
        while (_at < _source.Length)
        {
            var open = NextTag();
            var text = _source[_at..open];
            if (open == _source.Length)
            {
                AddText(text);
                return;
            }
            var kind = _source[open + 1];
            var sign = open + 2 < _source.Length ? _source[open + 2] : '\0';
            if (sign == '-') text = TrimEnd(text);
            else if (sign != '+' && kind != '{') text = TrimIndent(text, lineStarts);
            AddText(text);
            _at = open + (sign is '-' or '+' ? 3 : 2);
            if (kind == '#') SkipComment();
            else _tags.Add(new(kind == '{' ? TemplateTagKind.Output : TemplateTagKind.Statement, "", ReadTokens(kind == '{' ? "}}" : "%}")));
            lineStarts = _source[_at - 1] == '\n';
        }
    }

    private readonly int NextTag()
    {
        for (var i = _at; i + 1 < _source.Length; i++)
        {
            if (_source[i] == '{' && _source[i + 1] is '{' or '%' or '#') return i;
        }
        return _source.Length;
    }

    private readonly void AddText(ReadOnlySpan<char> text)
    {
        if (text.Length > 0) _tags.Add(new(TemplateTagKind.Text, text.ToString(), []));
    }

    private static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        while (text.Length > 0 && TemplateText.IsSpace(text[^1])) text = text[..^1];
        return text;
    }

    /// <summary>Drops the indentation of a statement that is first on its line.</summary>
    private static ReadOnlySpan<char> TrimIndent(ReadOnlySpan<char> text, bool lineStarts)
    {
        var line = text.LastIndexOf('\n') + 1;
        if (line == 0 && !lineStarts) return text;
        foreach (var character in text[line..])
        {
            if (!TemplateText.IsSpace(character)) return text;
        }
        return text[..line];
    }

    private void SkipComment()
    {
        var end = _source[_at..].IndexOf("#}");
        if (end < 0) throw new TemplateNotSupportedException("a comment that does not end");
        var sign = end > 0 ? _source[_at + end - 1] : '\0';
        _at += end + 2;
        SkipAfterTag(sign, newline: true);
    }

    private TemplateToken[] ReadTokens(string close)
    {
        var tokens = new List<TemplateToken>();
        var depth = 0;
        while (true)
        {
            while (_at < _source.Length && TemplateText.IsSpace(_source[_at])) _at++;
            if (_at >= _source.Length) throw new TemplateNotSupportedException("a tag that does not end");
            if (depth == 0)
            {
                var sign = _source[_at];
                var skip = sign is '-' or '+' && _source[(_at + 1)..].StartsWith(close) ? 1 : 0;
                if (_source[(_at + skip)..].StartsWith(close))
                {
                    _at += skip + 2;
                    SkipAfterTag(skip == 1 ? sign : '\0', newline: close == "%}");
                    return [.. tokens];
                }
            }
            var token = ReadToken();
            if (token.Kind == TemplateTokenKind.Operator) depth += token.Text is "(" or "[" or "{" ? 1 : token.Text is ")" or "]" or "}" ? -1 : 0;
            tokens.Add(token);
            if (tokens.Count > MaxTokens) throw new TemplateNotSupportedException($"a tag of more than {MaxTokens} tokens");
        }
    }

    private void SkipAfterTag(char sign, bool newline)
    {
        if (sign == '-')
        {
            while (_at < _source.Length && TemplateText.IsSpace(_source[_at])) _at++;
        }
        else if (newline && sign != '+' && _at < _source.Length && _source[_at] == '\n') _at++;
    }

    private TemplateToken ReadToken()
    {
        var first = _source[_at];
        if (first is '\'' or '"') return new(TemplateTokenKind.String, ReadString(first));
        var start = _at;
        if (char.IsLetterOrDigit(first) || first == '_')
        {
            while (_at < _source.Length && (char.IsLetterOrDigit(_source[_at]) || _source[_at] == '_')) _at++;
            return new(char.IsDigit(first) ? TemplateTokenKind.Number : TemplateTokenKind.Name, _source[start.._at].ToString());
        }
        foreach (var two in TwoCharacterOperators)
        {
            if (!_source[_at..].StartsWith(two)) continue;
            _at += 2;
            return new(TemplateTokenKind.Operator, two);
        }
        _at++;
        return new(TemplateTokenKind.Operator, first.ToString());
    }

    private string ReadString(char quote)
    {
        var text = new StringBuilder();
        for (_at++; _at < _source.Length; _at++)
        {
            var character = _source[_at];
            if (character == quote)
            {
                _at++;
                return text.ToString();
            }
            if (character != '\\' || _at + 1 >= _source.Length)
            {
                text.Append(character);
                continue;
            }
            var escape = _source[++_at];
            switch (escape)
            {
                case 'n': text.Append('\n'); break;
                case 't': text.Append('\t'); break;
                case 'r': text.Append('\r'); break;
                case '\\' or '\'' or '"': text.Append(escape); break;
                case 'x': text.Append((char)ReadHexadecimal(2)); break;
                case 'u': text.Append((char)ReadHexadecimal(4)); break;
                default: text.Append('\\').Append(escape); break;
            }
        }
        throw new TemplateNotSupportedException("a string that does not end");
    }

    private int ReadHexadecimal(int digits)
    {
        if (_at + digits >= _source.Length || !int.TryParse(_source.Slice(_at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            throw new TemplateNotSupportedException("a damaged escape in a string");
        _at += digits;
        return value;
    }
}
