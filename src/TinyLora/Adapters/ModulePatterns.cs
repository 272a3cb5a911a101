using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using TinyLora.Errors;

namespace TinyLora.Adapters;

/// <summary>
/// PEFT's <c>rank_pattern</c> or <c>alpha_pattern</c>: the first key in the file's order wins that Python's
/// <c>re.match(rf"(.*\.)?({key})$", module)</c> accepts.
/// </summary>
internal sealed class ModulePatterns
{
    private const int MaxKeyLength = 1000;
    // A key for each module of a large model is about a thousand.
    private const int MaxCount = 10_000;
    // An adapter of a large model has about a thousand modules; an honest pattern takes microseconds for each. All fields together take about a second at most.
    private static readonly TimeSpan s_budget = TimeSpan.FromMilliseconds(350);
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(100);

    private readonly List<(ModulePattern Pattern, double Value)> _patterns = [];
    private readonly string _path;
    private readonly string _field;
    private TimeSpan _spent;

    public ModulePatterns(string path, string field)
    {
        _path = path;
        _field = field;
    }

    /// <summary>Reads the JSON object; null counts as empty.</summary>
    /// <exception cref="InvalidDataException">A key is no regular expression that is understood, or a value no number.</exception>
    public void Read(JsonElement element, bool integers)
    {
        if (element.ValueKind == JsonValueKind.Null) return;
        if (element.ValueKind != JsonValueKind.Object) Throw.BadFile(_path, _field, element.ValueKind.ToString(), "an object");
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in element.EnumerateObject())
        {
            var value = property.Value;
            if (!keys.Add(property.Name)) Throw.BadFile(_path, _field, $"{property.Name} twice", "once");
            if (_patterns.Count == MaxCount) Throw.BadFile(_path, _field, $"more than {MaxCount} patterns", "fewer");
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var number) || !double.IsFinite(number) || (integers && (!value.TryGetInt32(out var rank) || rank < 1)))
            {
                Throw.BadFile(_path, $"{_field}: {property.Name}", value.GetRawText(), integers ? "a rank of at least 1" : "a number");
                return;
            }
            _patterns.Add((Compile(property.Name), number));
        }
    }

    /// <summary>The value for a module by its full name: <c>model.layers.0.self_attn.q_proj</c>.</summary>
    /// <exception cref="InvalidDataException">The patterns take too long.</exception>
    public double Resolve(string module, double otherwise)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            foreach (var (pattern, value) in _patterns)
            {
                if (pattern.IsMatch(module)) return value;
                if (_spent + Stopwatch.GetElapsedTime(start) > s_budget) RefuseSlow();
            }
        }
        catch (RegexMatchTimeoutException)
        {
            RefuseSlow();
        }
        finally
        {
            _spent += Stopwatch.GetElapsedTime(start);
        }
        return otherwise;
    }

    private void RefuseSlow() => Throw.BadFile(_path, _field, "patterns that take too long", "simple ones");

    private ModulePattern Compile(string key)
    {
        var start = Stopwatch.GetTimestamp();
        if (key.Length > MaxKeyLength || ModulePattern.IsAmbiguous(key))
            Throw.NotSupported(_path, $"{_field}: the pattern {key}");
        if (_spent > s_budget) RefuseSlow();
        try
        {
            return new ModulePattern(key, s_patience);
        }
        catch (ArgumentException)
        {
            Throw.BadFile(_path, _field, key, "a regular expression");
            throw;
        }
        finally
        {
            _spent += Stopwatch.GetElapsedTime(start);
        }
    }
}
