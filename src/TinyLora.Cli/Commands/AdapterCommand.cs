using System.CommandLine;
using System.CommandLine.Parsing;
using TinyLora.Adapters;
using TinyLora.Weights;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora adapter convert</c>: an adapter from one form to another; <c>tinylora adapter combine</c>: one of several.</summary>
internal sealed class AdapterCommand
{
    private readonly Argument<string> _input = new("IN") { Description = "An adapter of any form." };
    private readonly Argument<string> _output = new("OUT") { Description = "A file .gguf, or a PEFT folder." };
    private readonly Option<string> _model = SharedOptions.Model(required: false);
    private readonly Argument<AdapterArgument[]> _parts = new("ADAPTER[:WEIGHT]")
    {
        Description = "Adapters, each with its weight (1 unless given).",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = AdapterArgument.ParseAll,
    };
    private readonly Option<bool> _allowOtherBase = SharedOptions.AllowOtherBase();
    private readonly Option<string> _baseHash = BaseHashOption();
    private readonly Option<string> _method = MethodOption();
    private readonly Option<float> _density = new("--density") { Description = "The share of the numbers that ties, dare and magnitude_prune keep, above 0 up to 1.", HelpName = "D", CustomParser = Numbers.Real(share => share is > 0 and <= 1, "above 0 up to 1") };
    private readonly Option<int> _rank = SharedOptions.Count("--rank", "The rank of the svd forms; the largest of the adapters' unless given.", 1);
    private readonly Option<ulong> _seed = new("--seed") { Description = "Of the random masks of the dare forms.", HelpName = "S", CustomParser = Numbers.Seed };
    private readonly Option<string> _combined = new("--output", "-o") { Description = "A file .gguf, or a PEFT folder.", HelpName = "OUT", Required = true };

    public static Command Create()
    {
        var options = new AdapterCommand();
        var convert = new Command("convert", "Writes an adapter as a GGUF file or a PEFT folder. The model is needed where one of both is a GGUF.") { options._input, options._output, options._model, options._allowOtherBase, options._baseHash };
        convert.Validators.Add(result =>
        {
            if (!result.Has(options._model) && IsGguf(result.GetValue(options._output))) result.AddError("For a GGUF file the model is needed: -m MODEL.");
            options.CheckBaseHash(result);
        });
        convert.SetAction(options.Convert);
        var combine = new Command("combine", "Makes one adapter of several by one of PEFT's methods; cat, their exact sum, unless told otherwise.")
        {
            options._parts, options._method, options._density, options._rank, options._seed, options._combined, options._model, options._allowOtherBase, options._baseHash,
        };
        combine.Validators.Add(result =>
        {
            if (!result.Has(options._model) && IsGguf(result.GetValue(options._combined))) result.AddError("For a GGUF file the model is needed: -m MODEL.");
            options.CheckBaseHash(result);
        });
        combine.SetAction(options.Combine);
        return new Command("adapter", "Works on adapters.") { convert, combine };
    }

    private int Combine(ParseResult parsed)
    {
        using var weights = OpenBase(parsed);
        var parts = parsed.GetValue(_parts)!;
        using var adapters = new OpenAdapters(parts, parsed.Has(_allowOtherBase));
        using var combined = AdapterCombination.Combine(AdapterCombination.Parse(parsed.GetValue(_method)!), adapters.All, Array.ConvertAll(parts, part => part.Scale),
            new CombinationOptions { Density = parsed.GetValue(_density), Rank = parsed.GetValue(_rank), Seed = parsed.GetValue(_seed) });
        combined.AllowsOtherBase = parsed.Has(_allowOtherBase);
        Save(combined, parsed.GetValue(_combined)!, weights, parsed.GetValue(_baseHash));
        return ExitCode.Success;
    }

    private int Convert(ParseResult parsed)
    {
        using var weights = OpenBase(parsed);
        using var adapter = new AdapterArgument(parsed.GetValue(_input)!, 1).Load(parsed.Has(_allowOtherBase));
        Save(adapter, parsed.GetValue(_output)!, weights, parsed.GetValue(_baseHash));
        return ExitCode.Success;
    }

    private static void Save(LoraAdapter adapter, string output, ModelWeights? weights, string? hashKind)
    {
        if (weights == null && adapter.Content.NeedsShapeForPeft) throw new UnusableInputException($"{adapter.Path}: PEFT's form of it depends on the model: -m MODEL.");
        if (weights != null) adapter.CheckFits(weights);
        var hash = hashKind == null ? null : weights!.Hash(hashKind == "weights" ? ModelHashKind.Weights : ModelHashKind.Norms);
        if (IsGguf(output)) adapter.SaveGguf(output, weights!.Shape, hash);
        else adapter.SavePeft(output, weights?.Shape, hash);
    }

    private ModelWeights? OpenBase(ParseResult parsed) => parsed.GetValue(_model) is { } path ? ModelWeights.Open(path) : null;

    private void CheckBaseHash(CommandResult result)
    {
        if (result.Has(_baseHash) && !result.Has(_model)) result.AddError("--base-hash needs the model: -m MODEL.");
    }

    private static Option<string> BaseHashOption() => new Option<string>("--base-hash")
    {
        Description = "Store the hash of the model, so that the adapter goes on no other: of its norms, which are the same however the model is quantised, or of all its weights as they stand in the file.",
        HelpName = "norms|weights",
    }.AcceptOnlyFromAmong("norms", "weights");

    private static Option<string> MethodOption()
    {
        var method = new Option<string>("--method") { Description = "How: " + string.Join(", ", AdapterCombination.Names) + ".", HelpName = "NAME", DefaultValueFactory = _ => "cat" };
        return method.AcceptOnlyFromAmong([.. AdapterCombination.Names]);
    }

    private static bool IsGguf(string? path) => path != null && path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
}
