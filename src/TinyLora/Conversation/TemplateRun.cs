namespace TinyLora.Conversation;

/// <summary>One rendering of a template: its statements, executed over the messages.</summary>
internal sealed class TemplateRun
{
    // Far more than any real template takes; a hostile one ends here instead of running on.
    private const int MaxSteps = 200_000, MaxStepsPerMessage = 2_000;
    private const int MaxCharacters = 1 << 20, MaxCharactersPerMessage = 4_000, MaxCopies = 32;

    private readonly long _maxSteps;
    private readonly long _maxCharacters;
    private readonly List<Dictionary<string, object?>> _scopes = [];
    private readonly List<TemplatePiece> _output = [];
    private long _steps;
    private long _characters;

    /// <param name="globals">The variables that the template is given.</param>
    /// <param name="messageCount">Messages among them.</param>
    /// <param name="contentLength">Characters of all these messages.</param>
    public TemplateRun(Dictionary<string, object?> globals, int messageCount, long contentLength)
    {
        _maxSteps = MaxSteps + (long)MaxStepsPerMessage * messageCount;
        _maxCharacters = MaxCharacters + (long)MaxCharactersPerMessage * messageCount + MaxCopies * contentLength;
        _scopes.Add(globals);
        _scopes.Add(new Dictionary<string, object?>(StringComparer.Ordinal));
    }

    /// <summary>What was written so far.</summary>
    public List<TemplatePiece> Output => _output;

    /// <exception cref="ArgumentException">The template itself refuses the messages.</exception>
    /// <exception cref="TemplateNotSupportedException">The template does what is not understood.</exception>
    public void Execute(TemplateNode[] nodes)
    {
        foreach (var node in nodes)
        {
            Step();
            switch (node)
            {
                case TemplateNode.Text text: Write(text.Value); break;
                case TemplateNode.Output output: Write(TemplateOperations.ToText(Evaluate(output.Value))); break;
                case TemplateNode.Set set: Assign(set); break;
                case TemplateNode.For loop: Repeat(loop); break;
                case TemplateNode.If choice:
                    foreach (var (condition, body) in choice.Branches)
                    {
                        if (condition is not null && !TemplateOperations.IsTrue(Evaluate(condition))) continue;
                        Execute(body);
                        break;
                    }
                    break;
                case TemplateNode.Unknown unknown: throw new TemplateNotSupportedException(unknown.Description);
            }
        }
    }

    private void Write(TemplateText text)
    {
        Count(text.Value.Length);
        foreach (var piece in text.Pieces) _output.Add(piece);
    }

    private void Assign(TemplateNode.Set set)
    {
        var value = Evaluate(set.Value);
        if (set.Attribute is null) _scopes[^1][set.Name] = value;
        else if (Find(set.Name) is TemplateNamespace names) names.Variables[set.Attribute] = value;
        else throw new TemplateNotSupportedException($"'{set.Name}' is no namespace");
    }

    private void Repeat(TemplateNode.For loop)
    {
        if (Evaluate(loop.Items) is not List<object?> items) throw new TemplateNotSupportedException("a loop over what is no list");
        if (loop.Filter is not null) items = Filter(loop, items);
        if (items.Count == 0) Execute(loop.Otherwise);
        for (var i = 0; i < items.Count; i++)
        {
            Step();
            // What a body sets is gone with its pass, as in Jinja.
            _scopes.Add(new Dictionary<string, object?>(StringComparer.Ordinal) { [loop.Item] = items[i], ["loop"] = new TemplateLoop { Index = i, Count = items.Count } });
            Execute(loop.Body);
            _scopes.RemoveAt(_scopes.Count - 1);
        }
    }

    private List<object?> Filter(TemplateNode.For loop, List<object?> items)
    {
        var kept = new List<object?>();
        foreach (var item in items)
        {
            _scopes.Add(new Dictionary<string, object?>(StringComparer.Ordinal) { [loop.Item] = item });
            if (TemplateOperations.IsTrue(Evaluate(loop.Filter!))) kept.Add(item);
            _scopes.RemoveAt(_scopes.Count - 1);
        }
        return kept;
    }

    private object? Find(string name)
    {
        for (var i = _scopes.Count - 1; i >= 0; i--)
        {
            if (_scopes[i].TryGetValue(name, out var value)) return value;
        }
        return Undefined.Value;
    }

    private object? Evaluate(TemplateExpression expression)
    {
        Step();
        switch (expression)
        {
            case TemplateExpression.Constant constant: return constant.Value;
            case TemplateExpression.Items items: return new List<object?>(EvaluateAll(items.Values));
            case TemplateExpression.Variable variable: return Find(variable.Name);
            case TemplateExpression.Attribute attribute: return TemplateOperations.Attribute(Evaluate(attribute.Of), Evaluate(attribute.Key));
            case TemplateExpression.Not not: return !TemplateOperations.IsTrue(Evaluate(not.Of));
            case TemplateExpression.Binary binary: return Combine(binary);
            case TemplateExpression.Test test: return TemplateOperations.Test(Evaluate(test.Of), test.Name) != test.Negated;
            case TemplateExpression.Filter filter: return TemplateOperations.Filter(Evaluate(filter.Of), filter.Name, EvaluateAll(filter.Arguments));
            case TemplateExpression.Call call: return Call(call);
            case TemplateExpression.Choice choice:
                if (TemplateOperations.IsTrue(Evaluate(choice.Condition))) return Evaluate(choice.Then);
                return choice.Otherwise is null ? Undefined.Value : Evaluate(choice.Otherwise);
            case TemplateExpression.Slice slice:
                return TemplateOperations.Slice(Evaluate(slice.Of), Bound(slice.Start), Bound(slice.End), Bound(slice.Step));
            case TemplateExpression.Unknown unknown: throw new TemplateNotSupportedException(unknown.Description);
            default: throw new TemplateNotSupportedException(expression.GetType().Name);
        }
    }

    private object? Combine(TemplateExpression.Binary binary)
    {
        var left = Evaluate(binary.Left);
        switch (binary.Operator)
        {
            case "and": return TemplateOperations.IsTrue(left) ? Evaluate(binary.Right) : left;
            case "or": return TemplateOperations.IsTrue(left) ? left : Evaluate(binary.Right);
        }
        var value = TemplateOperations.Combine(binary.Operator, left, Evaluate(binary.Right));
        // What grows is counted: doubled often enough, it would take all memory.
        if (value is TemplateText text) Count(text.Value.Length);
        else if (value is List<object?> list) Count(list.Count);
        return value;
    }

    private object? Call(TemplateExpression.Call call)
    {
        if (call.Of is TemplateExpression.Variable { Name: "namespace" } && call.Arguments.Length == 0)
        {
            var names = new TemplateNamespace();
            foreach (var (name, value) in call.Named) names.Variables[name] = Evaluate(value);
            return names;
        }
        if (call.Named.Length > 0) throw new TemplateNotSupportedException("a call with named arguments");
        switch (call.Of)
        {
            case TemplateExpression.Variable { Name: "raise_exception" } when call.Arguments.Length == 1:
                throw new ArgumentException(TemplateOperations.ToText(Evaluate(call.Arguments[0])).Value);
            case TemplateExpression.Variable { Name: "range" }:
                return TemplateOperations.Range(EvaluateAll(call.Arguments));
            case TemplateExpression.Attribute { Key: TemplateExpression.Constant { Value: TemplateText method } } attribute:
                return TemplateOperations.Method(Evaluate(attribute.Of), method.Value, EvaluateAll(call.Arguments));
            case TemplateExpression.Variable variable:
                throw new TemplateNotSupportedException($"function '{variable.Name}'");
            default:
                throw new TemplateNotSupportedException("a call");
        }
    }

    private object?[] EvaluateAll(TemplateExpression[] expressions) => Array.ConvertAll(expressions, Evaluate);

    private int? Bound(TemplateExpression? expression) => expression is null
        ? null
        : Evaluate(expression) as int? ?? throw new TemplateNotSupportedException("a slice by what is no number");

    private void Step()
    {
        if (++_steps > _maxSteps) throw new TemplateNotSupportedException($"more than {_maxSteps} steps");
    }

    private void Count(int characters)
    {
        _characters += characters;
        if (_characters > _maxCharacters) throw new TemplateNotSupportedException($"more than {_maxCharacters} characters");
    }
}
