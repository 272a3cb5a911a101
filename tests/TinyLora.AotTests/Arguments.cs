using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>The command line: <c>[--group NAME]... [--model DIR] [--require INSTRUCTION-SET]... [--steps N]</c></summary>
internal sealed class Arguments
{
    /// <summary>Names of the groups to run; empty: all.</summary>
    public List<string> Groups { get; } = [];
    /// <summary>Folder of the model that the model checks open; null: they are skipped.</summary>
    public string? ModelFolder { get; private set; }
    /// <summary>Steps in which no memory may be allocated; an emulator takes fewer.</summary>
    public int StepCount { get; private set; } = 1000;
    /// <summary>Instruction sets that must be usable, so that an emulator which lacks one cannot pass by skipping.</summary>
    public List<InstructionSet> Required { get; } = [];

    /// <exception cref="ArgumentException">An option is unknown or lacks its value.</exception>
    public static Arguments Parse(string[] args)
    {
        var arguments = new Arguments();
        for (int i = 0; i < args.Length; i += 2)
        {
            if (args[i] is not ("--group" or "--model" or "--require" or "--steps"))
                throw new ArgumentException($"unknown option '{args[i]}'");
            if (i + 1 == args.Length)
                throw new ArgumentException($"{args[i]} needs a value");
            var value = args[i + 1];
            switch (args[i])
            {
                case "--group":
                    arguments.Groups.Add(value);
                    break;
                case "--model":
                    arguments.ModelFolder = value;
                    break;
                case "--steps":
                    arguments.StepCount = int.TryParse(value, out var steps) && steps > 0 ? steps : throw new ArgumentException($"--steps: '{value}' is no positive number");
                    break;
                default:
                    arguments.Required.Add(InstructionSet.All.FirstOrDefault(set => set.Name == value)
                        ?? throw new ArgumentException($"--require: no instruction set '{value}', there are {string.Join(", ", InstructionSet.All)}"));
                    break;
            }
        }
        return arguments;
    }
}
