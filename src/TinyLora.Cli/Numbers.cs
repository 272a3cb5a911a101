using System.CommandLine.Parsing;
using System.Globalization;
using TinyLora.Weights;

namespace TinyLora.Cli;

/// <summary>Reads the values of options, in the same form on every machine.</summary>
internal static class Numbers
{
    public static Func<ArgumentResult, int> Whole(int least, int most = int.MaxValue) => result => Whole(result, result.Tokens[0].Value, least, most);

    public static int Whole(ArgumentResult result, string text, int least, int most)
    {
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most) return number;
        var range = most == int.MaxValue ? $"of at least {least}" : $"from {least} to {most}";
        result.AddError($"{Name(result)} needs a whole number {range}, not '{text}'.");
        return least;
    }

    /// <param name="isInRange">Whether a finite number is good.</param>
    /// <param name="range">The same in words.</param>
    public static Func<ArgumentResult, float> Real(Func<float, bool> isInRange, string range) => result =>
    {
        var text = result.Tokens[0].Value;
        if (float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && float.IsFinite(number) && isInRange(number)) return number;
        result.AddError($"{Name(result)} needs a number {range}, not '{text}'.");
        return 0f;
    };

    public static ulong Seed(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return number;
        result.AddError($"{Name(result)} needs a whole number from 0 to {ulong.MaxValue}, not '{text}'.");
        return 0;
    }

    /// <summary>Whole numbers between commas, as a person or a JSON array writes them.</summary>
    public static int[] List(ArgumentResult result)
    {
        var text = result.Tokens[0].Value.Trim();
        var inner = text.StartsWith('[') && text.EndsWith(']') ? text[1..^1] : text;
        if (inner.Trim().Length == 0 && inner.Length < text.Length) return [];
        var parts = inner.Split(',');
        var numbers = new int[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            if (int.TryParse(parts[i], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out numbers[i])) continue;
            result.AddError($"{Name(result)} needs whole numbers between commas, not '{parts[i]}'.");
            return [];
        }
        return numbers;
    }

    /// <summary>Ranks of adapters, each once.</summary>
    public static int[] Ranks(ArgumentResult result)
    {
        var ranks = List(result);
        foreach (var rank in ranks)
            if (rank is < 1 or > ModelManifest.MaxRank) result.AddError($"{Name(result)} needs numbers from 1 to {ModelManifest.MaxRank}, not {rank}.");
        if (ranks.Distinct().Count() < ranks.Length) result.AddError($"{Name(result)} names a rank twice.");
        return ranks;
    }

    private static string Name(ArgumentResult result) => result.Parent is OptionResult option ? option.Option.Name : result.Argument.Name;
}
