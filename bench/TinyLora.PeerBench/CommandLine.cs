using System.Globalization;

namespace TinyLora.PeerBench;

/// <summary>Options of a command line: flags, and names followed by a value that may come several times.</summary>
internal sealed class CommandLine
{
    private readonly List<(string Name, string Value)> _options = [];

    /// <exception cref="ArgumentException">An option is unknown or lacks its value.</exception>
    public CommandLine(ReadOnlySpan<string> args, string[] flags, string[] values)
    {
        for (int i = 0; i < args.Length; i++)
        {
            if (flags.Contains(args[i]))
                _options.Add((args[i], ""));
            else if (!values.Contains(args[i]))
                throw new ArgumentException($"unknown option '{args[i]}'");
            else if (i + 1 == args.Length)
                throw new ArgumentException($"{args[i]} needs a value");
            else
                _options.Add((args[i], args[++i]));
        }
    }

    public IEnumerable<string> All(string name) => _options.Where(option => option.Name == name).Select(option => option.Value);

    public string? Last(string name) => All(name).LastOrDefault();

    public string Required(string name) => Last(name) ?? throw new ArgumentException($"{name} is missing");

    public IEnumerable<int> Numbers(string name) => All(name).Select(value =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0
            ? number
            : throw new ArgumentException($"{name} needs a positive number, not '{value}'"));

    public int Number(string name, int otherwise) => Numbers(name).Append(otherwise).First();
}
