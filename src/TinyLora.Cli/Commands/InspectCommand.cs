using System.CommandLine;
using System.Text.Json;
using TinyLora.Cli.Inspection;
using TinyLora.Weights;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora inspect</c>: what the file of a model or an adapter holds.</summary>
internal sealed class InspectCommand
{
    private readonly Argument<string> _path = SharedOptions.Path("PATH", "A model or an adapter, of any form.");
    private readonly Option<string> _model = new Option<string>("--model", "-m") { Description = "Says whether the adapter fits this model.", HelpName = "MODEL" }.NotEmpty();
    private readonly Option<bool> _json = SharedOptions.Flag("--json", "Write one JSON object.");

    public static Command Create(Terminal terminal)
    {
        var options = new InspectCommand();
        var command = new Command("inspect", "Shows what a model or an adapter holds.") { options._path, options._model, options._json };
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        var path = parsed.GetValue(_path)!;
        var modelPath = parsed.GetValue(_model);
        using var report = new MemoryStream();
        string? misfit = null;
        using (var json = JsonOutput.Open(report, indented: true))
        {
            if (ContentKind.IsAdapter(path)) misfit = AdapterReport.Write(json, path, modelPath);
            else if (modelPath == null) ModelReport.Write(json, path);
            else throw new UnusableInputException($"{path}: found a model, expected an adapter for the model {modelPath}.");
        }
        if (parsed.Has(_json))
        {
            terminal.Output.Write(report.GetBuffer().AsSpan(0, (int)report.Length));
            terminal.WriteLine("");
        }
        else
        {
            using var document = JsonDocument.Parse(report.GetBuffer().AsMemory(0, (int)report.Length));
            terminal.Output.Write(Text.Utf8(ReportText.Render(document.RootElement)));
        }
        return misfit == null ? ExitCode.Success : throw new UnusableInputException(misfit);
    }
}
