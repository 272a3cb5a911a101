using System.Text.RegularExpressions;

namespace TinyLora.Adapters;

/// <summary>
/// One key of PEFT's patterns: Python's <c>re.match(rf"(.*\.)?({key})$", module)</c>. A key that is a name, as those are that programs write, is compared character by
/// character, in which a bare dot is any; only the others are regular expressions.
/// </summary>
internal sealed class ModulePattern
{
    // Stands for any character; no name has it.
    private const char Any = '\0';

    private readonly string? _name;
    private readonly Regex? _expression;

    /// <exception cref="ArgumentException">The key is no regular expression.</exception>
    public ModulePattern(string key, TimeSpan patience)
    {
        _name = NameOf(key);
        if (_name == null) _expression = new Regex($@"\A(.*\.)?({key})$", RegexOptions.CultureInvariant, patience);
    }

    /// <summary>Whether an expression that .NET understands may mean something else in Python: {,n} counts from zero there and is literal text here; two brackets in a row can be a subtraction here.</summary>
    public static bool IsAmbiguous(string expression) => expression.Contains("{,", StringComparison.Ordinal) || expression.Contains("-[", StringComparison.Ordinal);

    /// <exception cref="RegexMatchTimeoutException">It takes too long.</exception>
    public bool IsMatch(string module)
    {
        if (_expression != null) return _expression.IsMatch(module);
        var before = module.Length - _name!.Length;
        if (before < 0 || (before > 0 && module[before - 1] != '.')) return false;
        for (var i = 0; i < _name.Length; i++)
            if (_name[i] != module[before + i] && _name[i] != Any) return false;
        return true;
    }

    private static string? NameOf(string key)
    {
        var name = new char[key.Length];
        var count = 0;
        for (var i = 0; i < key.Length; i++)
        {
            if (key[i] == '\\' && i + 1 < key.Length && key[i + 1] == '.') name[count++] = key[++i];
            else if (key[i] == '.') name[count++] = Any;
            else if (char.IsAsciiLetterOrDigit(key[i]) || key[i] is '_' or '-') name[count++] = key[i];
            else return null;
        }
        return new string(name, 0, count);
    }
}
