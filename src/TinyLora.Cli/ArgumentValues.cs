using System.CommandLine;

namespace TinyLora.Cli;

/// <summary>
/// Joins each option that takes a value with the argument after it, whatever that begins with: <c>-p --help</c> is a prompt, and <c>-n -1</c> a
/// number. After <c>--</c> nothing is an option.
/// </summary>
internal static class ArgumentValues
{
    public static string[] Join(string[] args, Command root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        AddNames(root, names);
        var joined = new List<string>(args.Length);
        for (var i = 0; i < args.Length; i++)
        {
            if (args[i] == "--")
            {
                joined.AddRange(args.AsSpan(i));
                break;
            }
            // An empty value cannot be joined, and needs not.
            if (names.Contains(args[i]) && i + 1 < args.Length && args[i + 1].Length > 0) joined.Add($"{args[i]}={args[++i]}");
            else joined.Add(args[i]);
        }
        return [.. joined];
    }

    private static void AddNames(Command command, HashSet<string> names)
    {
        foreach (var option in command.Options)
        {
            if (option.Arity.MinimumNumberOfValues == 0) continue;
            names.Add(option.Name);
            names.UnionWith(option.Aliases);
        }
        foreach (var inner in command.Subcommands) AddNames(inner, names);
    }
}
