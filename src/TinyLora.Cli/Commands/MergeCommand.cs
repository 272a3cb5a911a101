using System.CommandLine;
using System.Globalization;
using TinyLora.Adapters;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora merge</c>: a model with adapters in its weights, and what rounding them to the weights' format adds.</summary>
internal sealed class MergeCommand
{
    private readonly Option<string> _model = SharedOptions.Model();
    private readonly Option<AdapterArgument[]> _adapters = SharedOptions.Adapters();
    private readonly Option<string> _output = new("--output", "-o") { Description = "The new GGUF file or folder, of the model's own kind; it must not exist.", HelpName = "OUT", Required = true };
    private readonly Option<bool> _allowOtherBase = SharedOptions.AllowOtherBase();

    public static Command Create()
    {
        var options = new MergeCommand();
        options._adapters.Required = true;
        var command = new Command("merge", "Writes a model with adapters merged into its weights.") { options._model, options._adapters, options._allowOtherBase, options._output };
        command.SetAction(options.Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        var arguments = parsed.GetValue(_adapters)!;
        using var adapters = new OpenAdapters(arguments);
        for (var i = 0; i < arguments.Length; i++)
        {
            adapters.All[i].Scale = arguments[i].Scale;
            adapters.All[i].AllowsOtherBase = parsed.Has(_allowOtherBase);
        }
        var output = parsed.InvocationConfiguration.Output;
        foreach (var tensor in AdapterMerge.Merge(parsed.GetValue(_model)!, adapters.All, parsed.GetValue(_output)!))
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tensor.Name} {tensor.Type} relative error {tensor.Error:g3}"));
        return ExitCode.Success;
    }
}
