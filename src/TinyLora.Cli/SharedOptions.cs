using System.CommandLine;
using System.CommandLine.Parsing;

namespace TinyLora.Cli;

/// <summary>The options that several commands have, and how they are made.</summary>
internal static class SharedOptions
{
    public const int MaxThreadCount = 256;

    public static Option<string> Model(string holds = "a GGUF file or a Hugging Face folder", bool required = true) =>
        new Option<string>("--model", "-m") { Description = $"The model: {holds}.", HelpName = "MODEL", Required = required }.NotEmpty();

    public static Option<string> Output(string description, string name, bool required = true) =>
        new Option<string>("--output", "-o") { Description = description, HelpName = name, Required = required }.NotEmpty();

    public static Argument<string> Path(string name, string description) => new Argument<string>(name) { Description = description }.NotEmpty();

    public static Option<AdapterArgument[]> Adapters() => new("--adapter", "-a")
    {
        Description = "An adapter, and how strongly it acts (1 unless given): a PEFT folder, a .safetensors file or a GGUF adapter. May be given several times.",
        HelpName = "ADAPTER[:SCALE]",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = AdapterArgument.ParseAll,
    };

    public static Option<bool> AllowOtherBase() => Flag("--allow-other-base", "Put adapters on that were saved with the hash of another base.");

    public static Option<string> Prompt(bool required) => new("--prompt", "-p") { Description = "The text.", HelpName = "TEXT", Required = required };

    public static Option<int> Threads() => new("--threads")
    {
        Description = "Threads that share the work; as many as the machine has processors unless given. Their number changes no bit.",
        HelpName = "N",
        CustomParser = Numbers.Whole(1, MaxThreadCount),
    };

    public static Option<string> InstructionSet() => new("--instruction-set")
    {
        Description = $"The kernels to use: {string.Join(", ", Kernels.InstructionSet.All.Select(set => set.Name))}. They differ in speed only.",
        HelpName = "NAME",
    };

    public static Option<bool> Flag(string name, string description) => new(name) { Description = description, Arity = ArgumentArity.Zero };

    public static Option<int> Count(string name, string description, int least, params string[] aliases) =>
        new(name, aliases) { Description = description, HelpName = "N", CustomParser = Numbers.Whole(least) };

    /// <summary>Allows these values only, however their letters are cased.</summary>
    public static Option<string> AcceptOnlyFrom(this Option<string> option, params string[] values)
    {
        option.AcceptOnlyFromAmong(StringComparer.OrdinalIgnoreCase, values);
        return option;
    }

    /// <summary>Wants a value that is not the empty text.</summary>
    public static Option<string> NotEmpty(this Option<string> option)
    {
        option.Validators.Add(result => RefuseEmpty(result, option.Name));
        return option;
    }

    private static Argument<string> NotEmpty(this Argument<string> argument)
    {
        argument.Validators.Add(result => RefuseEmpty(result, argument.Name));
        return argument;
    }

    private static void RefuseEmpty(SymbolResult result, string name)
    {
        if (result.Tokens.Any(token => token.Value.Length == 0)) result.AddError($"{name} needs a value, not an empty one.");
    }

    /// <summary>Whether the option stands on the command line.</summary>
    public static bool Has(this ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    public static bool Has(this SymbolResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };
}
