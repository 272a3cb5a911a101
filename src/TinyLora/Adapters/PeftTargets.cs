using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using TinyLora.Errors;

namespace TinyLora.Adapters;

/// <summary>
/// The modules on which PEFT's configuration puts LoRA: <c>target_modules</c> less <c>exclude_modules</c>, in the layers of <c>layers_to_transform</c> and <c>layers_pattern</c>. Which an adapter
/// has, its tensors say; but PEFT would not load one that the configuration leaves out.
/// </summary>
internal sealed class PeftTargets(string path)
{
    // Far above any honest one.
    private const int MaxLength = 10_000, MaxLayerPatterns = 100;
    // Of all expressions together; whoever takes longer is not checked.
    private static readonly TimeSpan s_budget = TimeSpan.FromMilliseconds(350);
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(100);

    private HashSet<string>? _names;
    private Regex? _expression;
    private HashSet<string>? _excludedNames;
    private Regex? _excluded;
    private HashSet<int>? _layers;
    private readonly List<Regex> _layerPatterns = [];
    private TimeSpan _spent;
    private bool _isUnclear;

    /// <summary>target_modules: a list of names or of their last parts, an expression for whole names, or all-linear; null leaves it to the model's type.</summary>
    public void ReadTargets(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String && "all-linear".Equals(value.GetString(), StringComparison.OrdinalIgnoreCase)) return;
        (_names, _expression) = Modules("target_modules", value);
    }

    /// <summary>exclude_modules, of the same form.</summary>
    public void ReadExcluded(JsonElement value) => (_excludedNames, _excluded) = Modules("exclude_modules", value);

    /// <summary>layers_to_transform: a layer or some; they count for a list of targets only.</summary>
    public void ReadLayers(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null) return;
        _layers = [];
        foreach (var layer in Items(value))
        {
            if (layer.ValueKind != JsonValueKind.Number || !layer.TryGetInt32(out var index)) Throw.BadFile(path, "layers_to_transform", layer.GetRawText(), "layers");
            else _layers.Add(index);
        }
    }

    /// <summary>layers_pattern: what stands before a layer's number in a module's name.</summary>
    public void ReadLayersPattern(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null) return;
        foreach (var pattern in Items(value))
        {
            if (pattern.ValueKind != JsonValueKind.String) Throw.BadFile(path, "layers_pattern", pattern.GetRawText(), "a name");
            if (_layerPatterns.Count == MaxLayerPatterns) _isUnclear = true;
            else if (pattern.GetString() is { Length: > 0 } name && Compile($@"\A.*?\.{name}\.(\d+)\.") is { } expression) _layerPatterns.Add(expression);
        }
    }

    /// <summary>The field that leaves a module out, or null.</summary>
    public string? FieldAgainst(string module)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            if (Names(_excludedNames, module) || (!_isUnclear && _excluded?.IsMatch(module) == true)) return "exclude_modules";
            if (_expression != null) return _isUnclear || _expression.IsMatch(module) ? null : "target_modules";
            if (_names == null || _names.Contains(module)) return null;
            if (!Names(_names, module)) return "target_modules";
            return _layers is { Count: > 0 } && !_isUnclear && !(LayerOf(module) is { } layer && _layers.Contains(layer)) ? "layers_to_transform" : null;
        }
        catch (RegexMatchTimeoutException)
        {
            _isUnclear = true;
            return null;
        }
        finally
        {
            _spent += Stopwatch.GetElapsedTime(start);
            _isUnclear |= _spent > s_budget;
        }
    }

    private int? LayerOf(string module)
    {
        if (_layerPatterns.Count == 0) _layerPatterns.Add(new Regex(@"\A.*?\.[^.]*\.(\d+)\.", RegexOptions.CultureInvariant, s_patience));
        foreach (var pattern in _layerPatterns)
            if (pattern.Match(module) is { Success: true } match && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var layer)) return layer;
        return null;
    }

    private (HashSet<string>? Names, Regex? Expression) Modules(string field, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Null) return (null, null);
        if (value.ValueKind == JsonValueKind.String) return (null, Compile($@"\A(?:{value.GetString()})\z"));
        if (value.ValueKind != JsonValueKind.Array) Throw.BadFile(path, field, value.GetRawText(), "a list of names, or an expression");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in value.EnumerateArray())
        {
            if (name.ValueKind != JsonValueKind.String) Throw.BadFile(path, field, name.GetRawText(), "a name");
            names.Add(name.GetString()!);
        }
        return (names, null);
    }

    /// <summary>Whether a module's name, or what follows one of its dots, is among the names.</summary>
    private static bool Names(HashSet<string>? names, ReadOnlySpan<char> module)
    {
        if (names == null) return false;
        var found = names.GetAlternateLookup<ReadOnlySpan<char>>();
        while (!found.Contains(module))
        {
            var dot = module.IndexOf('.');
            if (dot < 0) return false;
            module = module[(dot + 1)..];
        }
        return true;
    }

    private static IEnumerable<JsonElement> Items(JsonElement value) => value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : [value];

    // Python's dialect is not quite .NET's; where they part, nothing is checked.
    private Regex? Compile(string expression)
    {
        if (expression.Length > MaxLength || ModulePattern.IsAmbiguous(expression))
        {
            _isUnclear = true;
            return null;
        }
        try
        {
            return new Regex(expression, RegexOptions.CultureInvariant, s_patience);
        }
        catch (ArgumentException)
        {
            _isUnclear = true;
            return null;
        }
    }
}
