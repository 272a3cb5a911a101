namespace TinyLora.Conversation;

/// <summary>
/// Reads the statements of a chat template. Only what the covered families use in a conversation without tools is understood; the rest
/// becomes <see cref="TemplateNode.Unknown"/>.
/// </summary>
internal sealed class TemplateParser
{
    // Deeper nesting than any real template's, far from the end of the stack.
    private const int MaxDepth = 64;

    private readonly List<TemplateTag> _tags;
    private int _at;
    private int _depth;

    private TemplateParser(List<TemplateTag> tags) => _tags = tags;

    /// <exception cref="TemplateNotSupportedException">The template is damaged.</exception>
    public static TemplateNode[] Parse(string template)
    {
        var parser = new TemplateParser(TemplateScanner.Scan(template));
        var nodes = parser.ParseBody(out var end);
        return end is null ? nodes : throw new TemplateNotSupportedException($"'{end}' without its beginning");
    }

    /// <summary>Statements up to one that ends or divides a body, which is left to the caller.</summary>
    private TemplateNode[] ParseBody(out string? end)
    {
        if (++_depth > MaxDepth) throw new TemplateNotSupportedException($"statements nested deeper than {MaxDepth}");
        var nodes = new List<TemplateNode>();
        end = null;
        for (; _at < _tags.Count; _at++)
        {
            var tag = _tags[_at];
            if (tag.Kind == TemplateTagKind.Text) nodes.Add(new TemplateNode.Text(TemplateText.Literal(tag.Text)));
            else if (tag.Kind == TemplateTagKind.Output) nodes.Add(new TemplateNode.Output(TemplateExpressionParser.Parse(tag.Tokens)));
            else
            {
                var keyword = tag.Tokens.Length > 0 ? tag.Tokens[0].Text : "";
                if (keyword is "elif" or "else" || keyword.StartsWith("end", StringComparison.Ordinal) && keyword != "endgeneration")
                {
                    end = keyword;
                    break;
                }
                if (ParseStatement(keyword, tag.Tokens) is { } node) nodes.Add(node);
            }
        }
        _depth--;
        return [.. nodes];
    }

    private TemplateNode? ParseStatement(string keyword, TemplateToken[] tokens)
    {
        switch (keyword)
        {
            case "if": return ParseIf();
            case "for": return ParseFor(tokens);
            case "set" when Array.Exists(tokens, token => token.Is("=")): return ParseSet(tokens);
            // Marks for training where the assistant speaks; writes nothing.
            case "generation" or "endgeneration": return null;
            // Called only for tools; where its name is used otherwise, that is refused.
            case "macro":
                SkipTo("endmacro");
                return null;
            case "set" or "call" or "filter" or "raw" or "block" or "with" or "autoescape":
                SkipTo("end" + keyword);
                return new TemplateNode.Unknown(keyword);
            default: return new TemplateNode.Unknown(keyword);
        }
    }

    private TemplateNode.If ParseIf()
    {
        var branches = new List<(TemplateExpression?, TemplateNode[])>();
        while (true)
        {
            var tokens = _tags[_at++].Tokens;
            var condition = tokens[0].Is("else") ? null : TemplateExpressionParser.Parse(tokens.AsSpan(1).ToArray());
            branches.Add((condition, ParseBody(out var end)));
            if (end == "endif") return new([.. branches]);
            if (end is not ("elif" or "else") || condition is null) throw new TemplateNotSupportedException("an 'if' that does not end");
        }
    }

    private TemplateNode ParseFor(TemplateToken[] tokens)
    {
        _at++;
        var body = ParseBody(out var end);
        TemplateNode[] otherwise = [];
        if (end == "else")
        {
            _at++;
            otherwise = ParseBody(out end);
        }
        if (end != "endfor") throw new TemplateNotSupportedException("a 'for' that does not end");
        if (tokens.Length < 4 || !tokens[2].Is("in")) return new TemplateNode.Unknown("for with several variables");
        // The first 'if' outside brackets filters the items.
        int depth = 0, filter = 3;
        for (; filter < tokens.Length; filter++)
        {
            depth += tokens[filter].Kind != TemplateTokenKind.Operator ? 0 : tokens[filter].Text is "(" or "[" ? 1 : tokens[filter].Text is ")" or "]" ? -1 : 0;
            if (depth == 0 && tokens[filter].Is("if")) break;
        }
        var items = TemplateExpressionParser.Parse(tokens[3..filter]);
        var condition = filter < tokens.Length ? TemplateExpressionParser.Parse(tokens[(filter + 1)..]) : null;
        return new TemplateNode.For(tokens[1].Text, items, condition, body, otherwise);
    }

    private static TemplateNode ParseSet(TemplateToken[] tokens)
    {
        var hasAttribute = tokens.Length > 4 && tokens[2].Is(".");
        var equals = hasAttribute ? 4 : 2;
        if (tokens.Length <= equals + 1 || !tokens[equals].Is("=")) return new TemplateNode.Unknown("set of several variables");
        return new TemplateNode.Set(tokens[1].Text, hasAttribute ? tokens[3].Text : null, TemplateExpressionParser.Parse(tokens[(equals + 1)..]));
    }

    private void SkipTo(string end)
    {
        for (; _at < _tags.Count; _at++)
        {
            if (_tags[_at] is { Kind: TemplateTagKind.Statement, Tokens: { Length: > 0 } tokens } && tokens[0].Is(end)) return;
        }
        throw new TemplateNotSupportedException($"no '{end}'");
    }
}
