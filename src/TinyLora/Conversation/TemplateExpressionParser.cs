using System.Globalization;

namespace TinyLora.Conversation;

/// <summary>Reads an expression by recursive descent, with Jinja's precedences.</summary>
internal ref struct TemplateExpressionParser
{
    private const int MaxDepth = 64;

    private readonly ReadOnlySpan<TemplateToken> _tokens;
    private int _at;
    private int _depth;

    private TemplateExpressionParser(ReadOnlySpan<TemplateToken> tokens) => _tokens = tokens;

    /// <summary>What cannot be read gives <see cref="TemplateExpression.Unknown"/>, which is refused only if it is reached.</summary>
    public static TemplateExpression Parse(ReadOnlySpan<TemplateToken> tokens)
    {
        var parser = new TemplateExpressionParser(tokens);
        try
        {
            var expression = parser.ParseChoice();
            return parser._at == tokens.Length ? expression : new TemplateExpression.Unknown($"'{parser.Current.Text}'");
        }
        catch (TemplateNotSupportedException unknown)
        {
            return new TemplateExpression.Unknown(unknown.Message);
        }
    }

    private readonly TemplateToken Current => _at < _tokens.Length ? _tokens[_at] : new(TemplateTokenKind.End, "");

    private readonly bool IsAt(string text) => Current.Is(text);

    private bool Take(string text)
    {
        if (!IsAt(text)) return false;
        _at++;
        return true;
    }

    private void Expect(string text)
    {
        if (!Take(text)) throw new TemplateNotSupportedException($"'{Current.Text}' where '{text}' belongs");
    }

    private TemplateExpression ParseChoice()
    {
        if (++_depth > MaxDepth) throw new TemplateNotSupportedException($"an expression nested deeper than {MaxDepth}");
        var value = ParseOr();
        while (Take("if"))
        {
            var condition = ParseOr();
            value = new TemplateExpression.Choice(condition, value, Take("else") ? ParseChoice() : null);
        }
        _depth--;
        return value;
    }

    private TemplateExpression ParseOr()
    {
        var left = ParseAnd();
        while (Take("or")) left = new TemplateExpression.Binary("or", left, ParseAnd());
        return left;
    }

    private TemplateExpression ParseAnd()
    {
        var left = ParseNot();
        while (Take("and")) left = new TemplateExpression.Binary("and", left, ParseNot());
        return left;
    }

    private TemplateExpression ParseNot()
    {
        var negations = 0;
        while (Take("not")) negations++;
        var value = ParseComparison();
        return negations switch
        {
            0 => value,
            _ when negations % 2 == 1 => new TemplateExpression.Not(value),
            _ => new TemplateExpression.Not(new TemplateExpression.Not(value)),
        };
    }

    private TemplateExpression ParseComparison()
    {
        var left = ParseSum();
        while (true)
        {
            var name = Current.Text;
            if (IsAt("==") || IsAt("!=") || IsAt("<") || IsAt(">") || IsAt("<=") || IsAt(">=") || IsAt("in"))
            {
                // A chain of comparisons means something else than it says here.
                if (left is TemplateExpression.Binary { Operator: "==" or "!=" or "<" or ">" or "<=" or ">=" or "in" } && !_tokens[_at - 1].Is(")"))
                    throw new TemplateNotSupportedException("a chain of comparisons");
                _at++;
                left = new TemplateExpression.Binary(name, left, ParseSum());
            }
            else if (IsAt("not") && _at + 1 < _tokens.Length && _tokens[_at + 1].Is("in"))
            {
                _at += 2;
                left = new TemplateExpression.Not(new TemplateExpression.Binary("in", left, ParseSum()));
            }
            else return left;
        }
    }

    private TemplateExpression ParseSum()
    {
        var left = ParseProduct();
        while (IsAt("+") || IsAt("-") || IsAt("~")) left = new TemplateExpression.Binary(_tokens[_at++].Text, left, ParseProduct());
        return left;
    }

    private TemplateExpression ParseProduct()
    {
        var left = ParseUnary();
        while (IsAt("%") || IsAt("*") || IsAt("/") || IsAt("//")) left = new TemplateExpression.Binary(_tokens[_at++].Text, left, ParseUnary());
        return left;
    }

    private TemplateExpression ParseUnary()
    {
        if (Take("-")) return new TemplateExpression.Binary("-", new TemplateExpression.Constant(0), ParsePostfix());
        return ParsePostfix();
    }

    private TemplateExpression ParsePostfix()
    {
        var value = ParsePrimary();
        while (true)
        {
            if (Take(".")) value = new TemplateExpression.Attribute(value, new TemplateExpression.Constant(TemplateText.Literal(TakeName())));
            else if (Take("[")) value = ParseSubscript(value);
            else if (Take("("))
            {
                var arguments = ParseArguments(out var named);
                value = new TemplateExpression.Call(value, arguments, named);
            }
            else if (Take("|"))
            {
                var name = TakeName();
                (string, TemplateExpression)[] named = [];
                TemplateExpression[] arguments = Take("(") ? ParseArguments(out named) : [];
                value = named.Length > 0 ? new TemplateExpression.Unknown($"filter '{name}' with named arguments") : new TemplateExpression.Filter(value, name, arguments);
            }
            else if (Take("is"))
            {
                var negated = Take("not");
                value = new TemplateExpression.Test(value, TakeName(), negated);
            }
            else return value;
        }
    }

    private string TakeName()
    {
        if (Current.Kind != TemplateTokenKind.Name) throw new TemplateNotSupportedException($"'{Current.Text}' where a name belongs");
        return _tokens[_at++].Text;
    }

    private TemplateExpression ParseSubscript(TemplateExpression of)
    {
        var start = IsAt(":") ? null : ParseChoice();
        if (start is not null && Take("]")) return new TemplateExpression.Attribute(of, start);
        Expect(":");
        var end = IsAt(":") || IsAt("]") ? null : ParseChoice();
        var step = Take(":") && !IsAt("]") ? ParseChoice() : null;
        Expect("]");
        return new TemplateExpression.Slice(of, start, end, step);
    }

    private TemplateExpression[] ParseArguments(out (string, TemplateExpression)[] named)
    {
        var arguments = new List<TemplateExpression>();
        var names = new List<(string, TemplateExpression)>();
        while (!Take(")"))
        {
            if (Current.Kind == TemplateTokenKind.Name && _at + 1 < _tokens.Length && _tokens[_at + 1].Is("="))
            {
                var name = TakeName();
                _at++;
                names.Add((name, ParseChoice()));
            }
            else arguments.Add(ParseChoice());
            if (!IsAt(")")) Expect(",");
        }
        named = [.. names];
        return [.. arguments];
    }

    private TemplateExpression Closed(TemplateExpression inner)
    {
        Expect(")");
        return inner;
    }

    private TemplateExpression.Items ParseItems(string close, TemplateExpression? first)
    {
        var items = new List<TemplateExpression>();
        if (first is not null) items.Add(first);
        while (!Take(close))
        {
            items.Add(ParseChoice());
            if (!IsAt(close)) Expect(",");
        }
        return new TemplateExpression.Items([.. items]);
    }

    private TemplateExpression ParsePrimary()
    {
        var token = Current;
        _at++;
        switch (token.Kind)
        {
            case TemplateTokenKind.String:
                var text = token.Text;
                while (Current.Kind == TemplateTokenKind.String) text += _tokens[_at++].Text;
                return new TemplateExpression.Constant(TemplateText.Literal(text));
            case TemplateTokenKind.Number when int.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number):
                return new TemplateExpression.Constant(number);
            case TemplateTokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new TemplateExpression.Constant(true),
                    "false" or "False" => new TemplateExpression.Constant(false),
                    "none" or "None" => new TemplateExpression.Constant(null),
                    _ => new TemplateExpression.Variable(token.Text),
                };
            case TemplateTokenKind.Operator when token.Text == "(":
                var inner = ParseChoice();
                return Take(",") ? ParseItems(")", inner) : Closed(inner);
            case TemplateTokenKind.Operator when token.Text == "[":
                return ParseItems("]", null);
            default:
                throw new TemplateNotSupportedException(token.Kind == TemplateTokenKind.End ? "an expression that does not end" : $"'{token.Text}'");
        }
    }
}
