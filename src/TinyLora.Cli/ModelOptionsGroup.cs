using System.CommandLine;
using System.CommandLine.Parsing;
using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Cli;

/// <summary>The options that choose a model, its adapters and how it computes; and what they choose, opened.</summary>
internal sealed class ModelOptionsGroup
{
    private readonly Option<string> _model = SharedOptions.Model();
    private readonly Option<AdapterArgument[]> _adapters = SharedOptions.Adapters();
    private readonly Option<bool> _allowOtherBase = SharedOptions.AllowOtherBase();
    private readonly Option<int> _threads = SharedOptions.Threads();
    private readonly Option<string> _instructionSet = SharedOptions.InstructionSet();

    public void AddTo(Command command)
    {
        command.Add(_model);
        command.Add(_adapters);
        command.Add(_allowOtherBase);
        command.Add(_threads);
        command.Add(_instructionSet);
    }

    /// <summary>Opens the model and puts the adapters on, in the order of the command line.</summary>
    public Model Open(ParseResult parsed)
    {
        var options = new ModelOptions
        {
            ThreadCount = parsed.GetValue(_threads),
            InstructionSet = parsed.GetValue(_instructionSet) is { } name ? Kernels.InstructionSet.Find(name) : null,
        };
        var model = Model.Open(parsed.GetValue(_model)!, options);
        try
        {
            foreach (var argument in parsed.GetValue(_adapters) ?? []) model.ApplyLoraAdapter(argument.Load(AllowsOtherBase(parsed)));
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public bool HasAdapters(SymbolResult result) => result.Has(_adapters);

    /// <summary>All that is read.</summary>
    public IEnumerable<string?> Paths(ParseResult parsed) => [parsed.GetValue(_model), .. (parsed.GetValue(_adapters) ?? []).SelectMany(adapter => AdapterArgument.Files(adapter.Path))];

    public bool AllowsOtherBase(ParseResult parsed) => parsed.Has(_allowOtherBase);

    /// <summary>Loads so many adapters, those of the command line in turn, of which there must be one.</summary>
    public Func<LoraAdapter[]> AdapterLoader(ParseResult parsed, int count)
    {
        var arguments = parsed.GetValue(_adapters)!;
        return () => [.. Enumerable.Range(0, count).Select(i => arguments[i % arguments.Length].Load(AllowsOtherBase(parsed)))];
    }
}
