using System.CommandLine.Parsing;
using System.Globalization;
using TinyLora.Adapters;

namespace TinyLora.Cli;

/// <summary>An adapter of the command line: <c>PATH</c> or <c>PATH:SCALE</c>. A path may hold colons; one that exists as it stands is a path.</summary>
internal readonly record struct AdapterArgument(string Path, float Scale)
{
    public static AdapterArgument[] ParseAll(ArgumentResult result)
    {
        var adapters = new AdapterArgument[result.Tokens.Count];
        for (var i = 0; i < adapters.Length; i++)
        {
            adapters[i] = Parse(result.Tokens[i].Value);
            if (adapters[i].Path.Length == 0) result.AddError("An adapter needs a path.");
            else if (!float.IsFinite(adapters[i].Scale)) result.AddError($"The scale of an adapter is a finite number: '{result.Tokens[i].Value}'.");
        }
        return adapters;
    }

    /// <summary>What is read: the folder, or the file and the configuration beside it.</summary>
    public static IEnumerable<string?> Files(string path) => File.Exists(path) ? [path, AdapterFile.FindConfig(path)] : [path];

    public LoraAdapter Load(bool allowsOtherBase) => new(Path) { Scale = Scale, AllowsOtherBase = allowsOtherBase };

    public static AdapterArgument Parse(string text)
    {
        var colon = text.LastIndexOf(':');
        var isPath = colon < 0 || System.IO.Path.Exists(text);
        return !isPath && float.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var scale)
            ? new AdapterArgument(text[..colon], scale)
            : new AdapterArgument(text, 1f);
    }
}
