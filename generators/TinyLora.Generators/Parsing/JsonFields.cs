using System.Globalization;

namespace TinyLora.Generators.Parsing;

/// <summary>
/// The members of one JSON object, asked for by name. What is missing, of another kind or out of range is noted and a
/// harmless value given, so that one pass finds everything that is wrong.
/// </summary>
/// <param name="Path">Of the object, to name its fields by: empty, or as in <c>tensors.layers[3]</c>.</param>
/// <param name="Note">Takes the path of a field and what is wrong with it.</param>
internal sealed class JsonFields(Dictionary<string, object?> members, string path, Action<string, string> note)
{
    private readonly HashSet<string> _asked = new(StringComparer.Ordinal);

    public string PathOf(string name) => path.Length == 0 ? name : path + "." + name;

    public string String(string name)
    {
        if (Find(name) is string { Length: > 0 } text) return text;
        return Note(name, "a text is expected", "");
    }

    public bool Boolean(string name) => Find(name) is bool value ? value : Note(name, "true or false is expected", false);

    /// <summary>A whole number between the bounds, both included; the lower one where it is not.</summary>
    public int Integer(string name, int minimum, int maximum)
    {
        if (Find(name) is JsonNumber number
            && int.TryParse(number.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= minimum && value <= maximum)
        {
            return value;
        }

        return Note(name, FormattableString.Invariant($"a whole number from {minimum} to {maximum} is expected"), minimum);
    }

    /// <summary>A finite number above 0.</summary>
    public double Positive(string name)
    {
        if (Find(name) is JsonNumber number
            && double.TryParse(number.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            && value > 0 && !double.IsInfinity(value))
        {
            return value;
        }

        return Note(name, "a number above 0 is expected", 1.0);
    }

    public JsonFields Fields(string name)
    {
        if (Find(name) is Dictionary<string, object?> found) return new JsonFields(found, PathOf(name), note);
        return Note(name, "an object is expected", new JsonFields([], PathOf(name), (_, _) => { }));
    }

    /// <summary>An array of objects.</summary>
    public List<JsonFields> FieldsList(string name)
    {
        var list = List(name);
        var result = new List<JsonFields>(list.Count);
        for (var i = 0; i < list.Count; i++)
        {
            var place = FormattableString.Invariant($"{PathOf(name)}[{i}]");
            if (list[i] is Dictionary<string, object?> found) result.Add(new JsonFields(found, place, note));
            else note(place, "an object is expected");
        }

        return result;
    }

    /// <summary>An array of whole numbers.</summary>
    public List<int> Integers(string name)
    {
        var list = List(name);
        var result = new List<int>(list.Count);
        for (var i = 0; i < list.Count; i++)
        {
            if (list[i] is JsonNumber number && int.TryParse(number.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
            {
                result.Add(value);
            }
            else
            {
                note(FormattableString.Invariant($"{PathOf(name)}[{i}]"), "a whole number is expected");
            }
        }

        return result;
    }

    /// <summary>Notes the fields that nobody asked for: a misspelt one must not be a default in silence.</summary>
    public void NoOthers()
    {
        foreach (var name in members.Keys)
        {
            if (!_asked.Contains(name)) note(PathOf(name), "this field is not known");
        }
    }

    private List<object?> List(string name) =>
        Find(name) as List<object?> ?? Note(name, "an array is expected", new List<object?>());

    private object? Find(string name)
    {
        _asked.Add(name);
        return members.TryGetValue(name, out var value) ? value : null;
    }

    private T Note<T>(string name, string expected, T value)
    {
        note(PathOf(name), members.ContainsKey(name) ? expected : "the field is missing: " + expected);
        return value;
    }
}
