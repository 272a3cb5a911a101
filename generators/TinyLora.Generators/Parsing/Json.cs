using System.Globalization;
using System.Text;

namespace TinyLora.Generators.Parsing;

/// <summary>
/// Reads JSON (RFC 8259) to plain objects: <see cref="Dictionary{TKey, TValue}"/> by name, <see cref="List{T}"/>,
/// <see cref="string"/>, <see cref="JsonNumber"/>, <see cref="bool"/> or null. A generator brings no library along.
/// </summary>
internal sealed class Json
{
    // A manifest is three deep; recursion ends long before the stack does.
    private const int MaxDepth = 16;

    private readonly string _text;
    private int _position;
    private int _depth;

    private Json(string text) => _text = text;

    /// <exception cref="FormatException">The text is no JSON; the message says where and why.</exception>
    public static object? Parse(string text)
    {
        var json = new Json(text);
        var value = json.Value();
        json.SkipSpace();
        return json._position == text.Length ? value : throw json.Error("unexpected text after the end");
    }

    private object? Value()
    {
        SkipSpace();
        switch (Peek())
        {
            case '{': return Object();
            case '[': return Array();
            case '"': return String();
            case 't': return Word("true", true);
            case 'f': return Word("false", false);
            case 'n': return Word("null", null);
            default: return Number();
        }
    }

    private Dictionary<string, object?> Object()
    {
        var members = new Dictionary<string, object?>(StringComparer.Ordinal);
        Enter();
        for (SkipSpace(); Peek() != '}'; SkipSpace())
        {
            if (members.Count > 0) Take(',');
            SkipSpace();
            var name = String();
            SkipSpace();
            Take(':');
            if (members.ContainsKey(name)) throw Error($"\"{name}\" stands twice");
            members.Add(name, Value());
        }

        Leave();
        return members;
    }

    private List<object?> Array()
    {
        var items = new List<object?>();
        Enter();
        for (SkipSpace(); Peek() != ']'; SkipSpace())
        {
            if (items.Count > 0) Take(',');
            items.Add(Value());
        }

        Leave();
        return items;
    }

    private string String()
    {
        Take('"');
        var text = new StringBuilder();
        while (Peek() != '"')
        {
            var character = _text[_position++];
            if (character < ' ') throw Error("a control character in a string");
            text.Append(character == '\\' ? Escaped() : character);
        }

        _position++;
        return text.ToString();
    }

    private char Escaped()
    {
        var character = Peek();
        _position++;
        switch (character)
        {
            case '"' or '\\' or '/': return character;
            case 'b': return '\b';
            case 'f': return '\f';
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'u' when _position + 4 <= _text.Length && ushort.TryParse(
                _text.Substring(_position, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code):
                _position += 4;
                return (char)code;
            default: throw Error("an unknown escape in a string");
        }
    }

    private JsonNumber Number()
    {
        var start = _position;
        while (_position < _text.Length && _text[_position] is (>= '0' and <= '9') or '-' or '+' or '.' or 'e' or 'E') _position++;
        var text = _text.Substring(start, _position - start);
        var digits = text.StartsWith("-", StringComparison.Ordinal) ? text.Substring(1) : text;
        var valid = digits.Length > 0 && digits[0] is >= '0' and <= '9'
            && (digits.Length == 1 || digits[0] != '0' || digits[1] is not (>= '0' and <= '9'))
            && !digits.EndsWith(".", StringComparison.Ordinal) && digits.IndexOf(".e", StringComparison.OrdinalIgnoreCase) < 0
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
        if (valid) return new JsonNumber(text);
        _position = start;
        throw Error("a value is expected");
    }

    private object? Word(string word, object? value)
    {
        if (string.CompareOrdinal(_text, _position, word, 0, word.Length) != 0) throw Error("a value is expected");
        _position += word.Length;
        return value;
    }

    private void Enter()
    {
        _position++;
        if (++_depth > MaxDepth) throw Error("too many levels");
    }

    private void Leave()
    {
        _position++;
        _depth--;
    }

    private void Take(char character)
    {
        if (Peek() != character) throw Error($"'{character}' is expected");
        _position++;
    }

    private char Peek() => _position < _text.Length ? _text[_position] : throw Error("the text ends too early");

    private void SkipSpace()
    {
        while (_position < _text.Length && _text[_position] is ' ' or '\t' or '\r' or '\n') _position++;
    }

    private FormatException Error(string what)
    {
        var line = 1;
        var column = 1;
        for (var i = 0; i < _position && i < _text.Length; i++, column++)
        {
            if (_text[i] == '\n') (line, column) = (line + 1, 0);
        }

        return new FormatException(FormattableString.Invariant($"line {line}, column {column}: {what}"));
    }
}

/// <summary>A number as it is written.</summary>
internal sealed record JsonNumber(string Text);
