using System.Globalization;

namespace TinyLora.Conversation;

/// <summary>The operators, filters, tests and methods that chat templates use, with the meaning that Python and Jinja give them.</summary>
internal static class TemplateOperations
{
    // A range that long is no conversation's.
    private const int MaxRange = 1 << 20;

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool truth => truth,
        int number => number != 0,
        TemplateText text => text.Value.Length > 0,
        List<object?> list => list.Count > 0,
        _ => true,
    };

    public static TemplateText ToText(object? value) => value switch
    {
        TemplateText text => text,
        Undefined => TemplateText.Empty,
        null => TemplateText.Literal("None"),
        bool truth => TemplateText.Literal(truth ? "True" : "False"),
        int number => TemplateText.Literal(number.ToString(CultureInfo.InvariantCulture)),
        _ => throw new TemplateNotSupportedException("writing what is no text"),
    };

    public static object? Attribute(object? of, object? key)
    {
        switch (of)
        {
            case ChatMessage message when key is TemplateText name:
                return name.Value switch
                {
                    "role" => Role(message.Role),
                    "content" => TemplateText.Content(message.Content),
                    _ => Undefined.Value,
                };
            case List<object?> list when key is int index:
                if (index < 0) index += list.Count;
                return (uint)index < (uint)list.Count ? list[index] : Undefined.Value;
            case TemplateNamespace names when key is TemplateText name:
                return names.Variables.TryGetValue(name.Value, out var value) ? value : Undefined.Value;
            case TemplateLoop loop when key is TemplateText name:
                return name.Value switch
                {
                    "index0" => loop.Index,
                    "index" => loop.Index + 1,
                    "revindex" => loop.Count - loop.Index,
                    "revindex0" => loop.Count - loop.Index - 1,
                    "first" => loop.Index == 0,
                    "last" => loop.Index == loop.Count - 1,
                    "length" => loop.Count,
                    _ => throw new TemplateNotSupportedException($"'loop.{name.Value}'"),
                };
            case Undefined:
                throw new ArgumentException("The chat template asks for a message that is not there.", "messages");
            default:
                throw new TemplateNotSupportedException($"an attribute '{ToText(key).Value}'");
        }
    }

    public static object? Combine(string operation, object? left, object? right)
    {
        switch (operation)
        {
            case "==": return AreEqual(left, right);
            case "!=": return !AreEqual(left, right);
            case "in": return Contains(right, left);
            case "~": return ToText(left).Append(ToText(right));
            case "+" when left is TemplateText first && right is TemplateText second: return first.Append(second);
            case "+" when left is List<object?> first && right is List<object?> second: return new List<object?>([.. first, .. second]);
        }
        if (left is Undefined or null || right is Undefined or null)
            throw new ArgumentException($"The chat template's '{operation}' meets a value that is not there.", "messages");
        if (left is not int a || right is not int b) throw new TemplateNotSupportedException($"'{operation}' of these values");
        return operation switch
        {
            "+" => Sum(a, b),
            "-" => Sum(a, -(long)b),
            "%" when b > 0 => (a % b + b) % b,
            "<" => a < b,
            ">" => a > b,
            "<=" => a <= b,
            ">=" => a >= b,
            _ => throw new TemplateNotSupportedException($"'{operation}'"),
        };
    }

    public static bool Test(object? value, string name) => name switch
    {
        "defined" => value is not Undefined,
        "undefined" => value is Undefined,
        "none" => value is null,
        "string" => value is TemplateText,
        "mapping" => value is ChatMessage,
        "iterable" or "sequence" => value is TemplateText or List<object?> or ChatMessage,
        "boolean" => value is bool,
        "true" => value is true,
        "false" => value is false,
        "number" or "integer" => value is int,
        _ => throw new TemplateNotSupportedException($"test '{name}'"),
    };

    public static object? Filter(object? value, string name, object?[] arguments)
    {
        switch (name)
        {
            case "selectattr" or "rejectattr" when value is List<object?> list: return Select(list, name == "selectattr", arguments);
            case "default" or "d" when arguments.Length == 1: return value is Undefined ? arguments[0] : value;
            case "replace" when arguments.Length == 2: return Method(ToText(value), name, arguments);
            case "trim" when arguments.Length == 1: return Method(ToText(value), "strip", arguments);
        }
        if (arguments.Length > 0) throw new TemplateNotSupportedException($"filter '{name}' with these arguments");
        return (name, value) switch
        {
            ("trim", _) => ToText(value).Strip(null, start: true, end: true),
            ("string", _) => ToText(value),
            ("length" or "count", TemplateText text) => text.Value.Length,
            ("length" or "count", List<object?> list) => list.Count,
            ("list", List<object?>) => value,
            ("first", List<object?> list) => list.Count > 0 ? list[0] : Undefined.Value,
            ("last", List<object?> list) => list.Count > 0 ? list[^1] : Undefined.Value,
            ("upper", TemplateText text) => text.With(text.Value.ToUpperInvariant()),
            ("lower", TemplateText text) => text.With(text.Value.ToLowerInvariant()),
            _ => throw new TemplateNotSupportedException($"filter '{name}'"),
        };
    }

    public static object? Method(object? of, string name, object?[] arguments)
    {
        if (of is ChatMessage && name == "get" && arguments.Length is 1 or 2)
        {
            var value = Attribute(of, arguments[0]);
            return value is not Undefined ? value : arguments.Length == 2 ? arguments[1] : null;
        }
        if (of is not TemplateText text) throw new TemplateNotSupportedException($"method '{name}'");
        var texts = Array.ConvertAll(arguments, argument => argument as TemplateText ?? throw new TemplateNotSupportedException($"method '{name}' with these arguments"));
        return (name, texts.Length) switch
        {
            ("strip", 0 or 1) => text.Strip(texts.Length > 0 ? texts[0].Value : null, start: true, end: true),
            ("lstrip", 0 or 1) => text.Strip(texts.Length > 0 ? texts[0].Value : null, start: true, end: false),
            ("rstrip", 0 or 1) => text.Strip(texts.Length > 0 ? texts[0].Value : null, start: false, end: true),
            ("startswith", 1) => text.Value.StartsWith(texts[0].Value, StringComparison.Ordinal),
            ("endswith", 1) => text.Value.EndsWith(texts[0].Value, StringComparison.Ordinal),
            ("upper", 0) => text.With(text.Value.ToUpperInvariant()),
            ("lower", 0) => text.With(text.Value.ToLowerInvariant()),
            ("replace", 2) when texts[0].Value.Length > 0 => text.With(text.Value.Replace(texts[0].Value, texts[1].Value, StringComparison.Ordinal)),
            ("split", 1) when texts[0].Value.Length > 0 => Split(text, texts[0].Value),
            _ => throw new TemplateNotSupportedException($"method '{name}'"),
        };
    }

    /// <summary>A list's or a text's part, with Python's meaning of negative bounds; steps of 1 and −1.</summary>
    public static object? Slice(object? of, int? start, int? end, int? step)
    {
        var count = of switch
        {
            List<object?> list => list.Count,
            TemplateText text => text.Value.Length,
            _ => throw new TemplateNotSupportedException("a slice of what is no list"),
        };
        if (step == -1 && start is null && end is null && of is List<object?> whole)
        {
            var reversed = new List<object?>(whole);
            reversed.Reverse();
            return reversed;
        }
        if (step is not (null or 1)) throw new TemplateNotSupportedException($"a slice in steps of {step}");
        var first = Clamp(start ?? 0);
        var last = Math.Max(Clamp(end ?? count), first);
        return of is TemplateText part ? part.Slice(first, last) : ((List<object?>)of).GetRange(first, last - first);

        int Clamp(int bound) => Math.Clamp(bound < 0 ? bound + count : bound, 0, count);
    }

    public static List<object?> Range(object?[] arguments)
    {
        if (arguments.Length is 0 or > 2 || Array.Exists(arguments, argument => argument is not int)) throw new TemplateNotSupportedException("this range");
        var (start, end) = arguments.Length == 1 ? (0, (int)arguments[0]!) : ((int)arguments[0]!, (int)arguments[1]!);
        if ((long)end - start > MaxRange) throw new TemplateNotSupportedException($"a range of more than {MaxRange}");
        var range = new List<object?>();
        for (var i = start; i < end; i++) range.Add(i);
        return range;
    }

    private static int Sum(int a, long b) => a + b is >= int.MinValue and <= int.MaxValue and var sum
        ? (int)sum
        : throw new TemplateNotSupportedException("a number of more than 32 bits");

    /// <summary>The usual roles are words of the template's, others are the caller's text.</summary>
    private static TemplateText Role(string role) =>
        role is ChatMessage.System or ChatMessage.User or ChatMessage.Assistant or "tool" ? TemplateText.Literal(role) : TemplateText.Content(role);

    private static bool AreEqual(object? left, object? right) => (left, right) switch
    {
        (TemplateText a, TemplateText b) => a.Value == b.Value,
        (List<object?>, List<object?>) => throw new TemplateNotSupportedException("a comparison of lists"),
        (bool a, int b) => (a ? 1 : 0) == b,
        (int a, bool b) => (b ? 1 : 0) == a,
        _ => Equals(left, right),
    };

    private static bool Contains(object? container, object? item) => (container, item) switch
    {
        (TemplateText text, TemplateText part) => text.Value.Contains(part.Value, StringComparison.Ordinal),
        (ChatMessage, TemplateText key) => key.Value is "role" or "content",
        (List<object?> list, _) => list.Exists(each => AreEqual(each, item)),
        (Undefined or null, _) => throw new ArgumentException("The chat template looks into a value that is not there.", "messages"),
        _ => throw new TemplateNotSupportedException("'in' of these values"),
    };

    private static List<object?> Select(List<object?> list, bool keep, object?[] arguments)
    {
        if (arguments.Length == 0 || Array.Exists(arguments, argument => argument is not TemplateText)) throw new TemplateNotSupportedException("a selection of this kind");
        var test = arguments.Length > 1 ? ((TemplateText)arguments[1]!).Value : "";
        var selected = new List<object?>();
        foreach (var item in list)
        {
            var value = Attribute(item, arguments[0]);
            var passes = (test, arguments.Length) switch
            {
                ("", 1) => IsTrue(value),
                ("equalto" or "eq" or "==", 3) => AreEqual(value, arguments[2]),
                (_, 2) => Test(value, test),
                _ => throw new TemplateNotSupportedException($"a selection by '{test}'"),
            };
            if (passes == keep) selected.Add(item);
        }
        return selected;
    }

    private static List<object?> Split(TemplateText text, string separator)
    {
        var parts = new List<object?>();
        var start = 0;
        while (true)
        {
            var next = text.Value.IndexOf(separator, start, StringComparison.Ordinal);
            if (next < 0) break;
            parts.Add(text.Slice(start, next));
            start = next + separator.Length;
        }
        parts.Add(text.Slice(start, text.Value.Length));
        return parts;
    }
}
