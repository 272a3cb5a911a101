using System.CommandLine;
using TinyLora.Adapters;
using TinyLora.Weights;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora adapter convert</c>: an adapter from one form to another.</summary>
internal sealed class AdapterCommand
{
    private readonly Argument<string> _input = new("IN") { Description = "An adapter of any form." };
    private readonly Argument<string> _output = new("OUT") { Description = "A file .gguf, or a PEFT folder." };
    private readonly Option<string> _model = SharedOptions.Model(required: false);

    public static Command Create()
    {
        var options = new AdapterCommand();
        var convert = new Command("convert", "Writes an adapter as a GGUF file or a PEFT folder. The model is needed where one of both is a GGUF.") { options._input, options._output, options._model };
        convert.Validators.Add(result =>
        {
            if (!result.Has(options._model) && IsGguf(result.GetValue(options._output))) result.AddError("For a GGUF file the model is needed: -m MODEL.");
        });
        convert.SetAction(options.Convert);
        return new Command("adapter", "Works on adapters.") { convert };
    }

    private int Convert(ParseResult parsed)
    {
        var shape = parsed.GetValue(_model) is { } model ? ReadShape(model) : null;
        using var adapter = new LoraAdapter(parsed.GetValue(_input)!);
        var output = parsed.GetValue(_output)!;
        if (IsGguf(output)) adapter.SaveGguf(output, shape!);
        else if (shape == null && adapter.Content.RowOrder != RotaryLayout.Halves)
            throw new UnusableInputException($"{adapter.Path}: its rows stand in another order; the model is needed: -m MODEL.");
        else adapter.SavePeft(output, shape);
        return ExitCode.Success;
    }

    private static ModelShape ReadShape(string path)
    {
        using var weights = ModelWeights.Open(path);
        return weights.Shape;
    }

    private static bool IsGguf(string? path) => path != null && path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);
}
