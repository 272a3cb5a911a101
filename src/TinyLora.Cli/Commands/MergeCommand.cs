using System.CommandLine;
using System.Globalization;
using TinyLora.Adapters;
using TinyLora.Numerics;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora merge</c>: a model with adapters in its weights, and what rounding them to the weights' format adds.</summary>
internal sealed class MergeCommand
{
    private const string Keep = "keep";

    private readonly Option<string> _model = SharedOptions.Model();
    private readonly Option<AdapterArgument[]> _adapters = SharedOptions.Adapters();
    private readonly Option<string> _output = SharedOptions.Output("The new GGUF file or folder, of the model's own kind; it must not exist.", "OUT");
    private readonly Option<bool> _allowOtherBase = SharedOptions.AllowOtherBase();
    private readonly Option<string> _type = TypeOption();

    public static Command Create(Terminal terminal)
    {
        var options = new MergeCommand();
        options._adapters.Required = true;
        var command = new Command("merge", "Writes a model with adapters merged into its weights.") { options._model, options._adapters, options._allowOtherBase, options._type, options._output };
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        var arguments = parsed.GetValue(_adapters)!;
        using var adapters = new OpenAdapters(arguments, parsed.Has(_allowOtherBase));
        var name = parsed.GetValue(_type)!;
        ElementType? type = name.Equals(Keep, StringComparison.OrdinalIgnoreCase) ? null : Enum.Parse<ElementType>(name, ignoreCase: true);
        var output = parsed.InvocationConfiguration.Output;
        IReadOnlyList<MergedTensor> report;
        var work = terminal.BeginWork();
        try
        {
            report = AdapterMerge.Merge(parsed.GetValue(_model)!, adapters.All, parsed.GetValue(_output)!, type, work);
        }
        finally
        {
            terminal.EndWork();
        }
        foreach (var tensor in report)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tensor.Name} {tensor.Type} relative error {tensor.Error:g3} of a change of {tensor.Change:g3}"));
        // Half of what an adapter does, lost to rounding, is another adapter.
        var coarse = report.Count(tensor => tensor.Change > 0 && tensor.Error > tensor.Change / 2);
        if (coarse > 0) terminal.WriteError($"tinylora: note: in {coarse} tensors rounding loses more than half of what the adapters change; a finer --type keeps it.");
        return ExitCode.Success;
    }

    private static Option<string> TypeOption()
    {
        string[] names = [Keep, .. Enum.GetNames<ElementType>().Select(name => name.ToLowerInvariant())];
        var type = new Option<string>("--type") { Description = $"How the matrices are stored: {string.Join(", ", names)}.", HelpName = "TYPE", DefaultValueFactory = _ => Keep };
        return type.AcceptOnlyFrom(names);
    }
}
