using System.CommandLine;

namespace TinyLora.Cli;

/// <summary>
/// Joins each option that takes a value with the argument after it, whatever that begins with: <c>-p --help</c> is a prompt, and <c>-n -1</c> a
/// number. Finds options that the command does not have, which would pass for its arguments. After <c>--</c> nothing is an option.
/// </summary>
internal sealed class ArgumentValues
{
    private readonly Dictionary<string, bool> _takesValue = new(StringComparer.Ordinal);
    private readonly List<string> _joined;

    public ArgumentValues(string[] args, Command root)
    {
        _joined = new List<string>(args.Length);
        Command = root;
        var depth = 0;
        while (depth < args.Length && Command.Subcommands.FirstOrDefault(inner => inner.Name == args[depth]) is { } inner)
        {
            Command = inner;
            depth++;
        }
        foreach (var option in Command.Options) Add(option);
        foreach (var option in root.Options)
            if (option.Recursive) Add(option);
        _joined.AddRange(args.AsSpan(0, depth));
        Join(args.AsSpan(depth));
    }

    /// <summary>The command that the arguments name.</summary>
    public Command Command { get; }

    /// <summary>The arguments, options with values as <c>-p=TEXT</c>.</summary>
    public IReadOnlyList<string> Joined => _joined;

    /// <summary>The first option that the command does not have; null if it has all.</summary>
    public string? Unknown { get; private set; }

    private void Join(ReadOnlySpan<string> args)
    {
        for (var i = 0; i < args.Length; i++)
        {
            var arg = args[i];
            if (arg == "--")
            {
                _joined.AddRange(args[i..]);
                break;
            }
            var end = arg.AsSpan().IndexOfAny('=', ':');
            if (arg.Length > 1 && arg[0] == '-' && !_takesValue.ContainsKey(end < 0 ? arg : arg[..end])) Unknown ??= arg;
            // An empty value cannot be joined, and needs not.
            if (_takesValue.GetValueOrDefault(arg) && i + 1 < args.Length && args[i + 1].Length > 0) _joined.Add($"{arg}={args[++i]}");
            else _joined.Add(arg);
        }
    }

    private void Add(Option option)
    {
        var takesValue = option.Arity.MinimumNumberOfValues > 0;
        _takesValue[option.Name] = takesValue;
        foreach (var alias in option.Aliases) _takesValue[alias] = takesValue;
    }
}
