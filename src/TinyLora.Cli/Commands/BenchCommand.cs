using System.CommandLine;
using TinyLora.Cli.Benchmarking;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora bench</c>: how fast a model prefills and decodes here.</summary>
internal sealed class BenchCommand
{
    private const int MaxLength = 1 << 24;

    private readonly ModelOptionsGroup _model = new();
    private readonly Option<int[]> _prompts = new("--prompt")
    {
        Description = "Tokens of a prompt to prefill; may be given several times.",
        HelpName = "N",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result => [.. result.Tokens.Select(token => Numbers.Whole(result, token.Value, 1, MaxLength))],
    };
    private readonly Option<int> _generate = SharedOptions.Count("--generate", "Tokens to decode one by one; 0: none. Without --prompt, or with --sets, 64 unless given.", 0);
    private readonly Option<int> _repetitions = SharedOptions.Count("--repetitions", "Runs of each test (1).", 1);
    private readonly Option<bool> _sets = SharedOptions.Flag("--sets", "Also decode without the adapters, with two, with another at each token, and eight sessions with an adapter each.");
    private readonly Option<bool> _json = SharedOptions.Flag("--json", "Write JSON, one object a line.");

    public static Command Create(Terminal terminal)
    {
        var options = new BenchCommand();
        var command = new Command("bench", "Measures prefill and decode with random tokens.");
        options._model.AddTo(command);
        command.Add(options._prompts);
        command.Add(options._generate);
        command.Add(options._repetitions);
        command.Add(options._sets);
        command.Add(options._json);
        command.Validators.Add(result =>
        {
            if (result.Has(options._sets) && !options._model.HasAdapters(result)) result.AddError("--sets needs an adapter: -a ADAPTER.");
            if (result.Has(options._sets) && result.Has(options._generate) && result.GetValue(options._generate) == 0) result.AddError("--sets decodes: --generate 0 leaves it nothing.");
        });
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        var benchmark = new Benchmark
        {
            OpenModel = () => _model.Open(parsed),
            PromptLengths = parsed.GetValue(_prompts) ?? [],
            GenerateLength = parsed.Has(_generate) ? parsed.GetValue(_generate) : parsed.Has(_prompts) && !parsed.Has(_sets) ? 0 : null,
            RepetitionCount = parsed.Has(_repetitions) ? parsed.GetValue(_repetitions) : 1,
            LoadAdapters = parsed.Has(_sets) ? _model.AdapterLoader(parsed, AdapterSetTests.SessionCount) : null,
            Report = parsed.Has(_json) ? new JsonBenchmarkReport(terminal) : new TextBenchmarkReport(terminal),
        };
        benchmark.Run();
        return ExitCode.Success;
    }
}
