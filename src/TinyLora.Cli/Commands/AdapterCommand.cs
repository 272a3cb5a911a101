using System.CommandLine;
using System.CommandLine.Parsing;
using TinyLora.Adapters;
using TinyLora.Weights;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora adapter convert</c>: an adapter from one form to another; <c>tinylora adapter combine</c>: one of several.</summary>
internal sealed class AdapterCommand
{
    private readonly Argument<string> _input = SharedOptions.Path("IN", "An adapter of any form.");
    private readonly Argument<string> _output = SharedOptions.Path("OUT", "A file .gguf, or a PEFT folder.");
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
    private readonly Option<string> _combined = SharedOptions.Output("A file .gguf, or a PEFT folder.", "OUT");

    public static Command Create(Terminal terminal)
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
            // By their tokens: values that cannot be read are told of after this.
            if (!result.Has(options._density) && result.GetResult(options._parts)?.Tokens.Count > 1 && result.GetResult(options._method)?.Tokens is [var method] && Keeps(method.Value))
                result.AddError($"{method.Value} needs --density, the share of the numbers that it keeps.");
        });
        combine.SetAction(parsed => options.Combine(parsed, terminal));
        return new Command("adapter", "Works on adapters.") { convert, combine };
    }

    private int Combine(ParseResult parsed, Terminal terminal)
    {
        var (parts, output) = (parsed.GetValue(_parts)!, parsed.GetValue(_combined)!);
        RefuseInputs(output, [parsed.GetValue(_model), .. parts.SelectMany(part => AdapterArgument.Files(part.Path))]);
        using var weights = OpenBase(parsed);
        using var adapters = new OpenAdapters(parts, parsed.Has(_allowOtherBase));
        var method = MethodOf(parsed.GetValue(_method)!);
        if (Unused(parsed, method, parts.Length) is { Length: > 0 } unused)
            terminal.WriteError($"tinylora: note: {string.Join(", ", unused)} {(unused.Length == 1 ? "has" : "have")} no part in {(parts.Length == 1 ? "one adapter alone, which is only scaled" : AdapterCombination.Names[(int)method])}.");
        using var combined = AdapterCombination.Combine(method, adapters.All, Array.ConvertAll(parts, part => part.Scale),
            new CombinationOptions { Density = parsed.GetValue(_density), Rank = parsed.GetValue(_rank), Seed = parsed.GetValue(_seed) });
        combined.AllowsOtherBase = parsed.Has(_allowOtherBase);
        Save(combined, output, weights, parsed.GetValue(_baseHash));
        return ExitCode.Success;
    }

    /// <summary>Options that stand on the command line and change nothing.</summary>
    private string[] Unused(ParseResult parsed, CombinationMethod method, int count)
    {
        var name = AdapterCombination.Names[(int)method];
        (Option Option, bool HasPart)[] all =
        [
            (_method, method == CombinationMethod.Cat || count > 1),
            (_density, method > CombinationMethod.Svd && count > 1),
            (_rank, name.EndsWith("svd", StringComparison.Ordinal) && count > 1),
            (_seed, name.StartsWith("dare", StringComparison.Ordinal) && count > 1),
        ];
        return [.. all.Where(each => !each.HasPart && parsed.Has(each.Option)).Select(each => each.Option.Name)];
    }

    private int Convert(ParseResult parsed)
    {
        RefuseInputs(parsed.GetValue(_output)!, [parsed.GetValue(_model), .. AdapterArgument.Files(parsed.GetValue(_input)!)]);
        using var weights = OpenBase(parsed);
        using var adapter = new AdapterArgument(parsed.GetValue(_input)!, 1).Load(parsed.Has(_allowOtherBase));
        Save(adapter, parsed.GetValue(_output)!, weights, parsed.GetValue(_baseHash));
        return ExitCode.Success;
    }

    private static void Save(LoraAdapter adapter, string output, ModelWeights? weights, string? hashKind)
    {
        if (weights == null && adapter.Content.NeedsShapeForPeft) throw new UnusableInputException($"{adapter.Path}: PEFT's form of it depends on the model: -m MODEL.");
        if (weights != null) adapter.CheckFits(weights);
        var hash = hashKind == null ? null : weights!.Hash(hashKind.Equals("weights", StringComparison.OrdinalIgnoreCase) ? ModelHashKind.Weights : ModelHashKind.Norms);
        if (IsGguf(output)) adapter.SaveGguf(output, weights!.Shape, hash);
        else adapter.SavePeft(output, weights?.Shape, hash);
    }

    private static void RefuseInputs(string output, IEnumerable<string?> inputs)
    {
        foreach (var file in (ReadOnlySpan<string>)(IsGguf(output) ? [output] : [Path.Combine(output, AdapterFile.WeightsName), Path.Combine(output, AdapterFile.ConfigName)])) OutputFile.RefuseInputs(file, inputs);
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
    }.AcceptOnlyFrom("norms", "weights");

    private static Option<string> MethodOption()
    {
        var method = new Option<string>("--method") { Description = "How: " + string.Join(", ", AdapterCombination.Names) + ".", HelpName = "NAME", DefaultValueFactory = _ => "cat" };
        return method.AcceptOnlyFrom([.. AdapterCombination.Names]);
    }

    private static bool Keeps(string method) => AdapterCombination.Names.Skip((int)CombinationMethod.Svd + 1).Contains(method, StringComparer.OrdinalIgnoreCase);

    private static CombinationMethod MethodOf(string name) => AdapterCombination.Parse(name.ToLowerInvariant());

    private static bool IsGguf(string? path) => path != null && path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
}
