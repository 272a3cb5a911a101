using System.CommandLine;
using TinyLora.Weights;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora manifest</c>: what the source generator needs to know of a model.</summary>
internal sealed class ManifestCommand
{
    private readonly Argument<string> _model = SharedOptions.Path("MODEL", "A GGUF file or a Hugging Face folder.");
    private readonly Option<int[]> _ranks = new("--ranks") { Description = $"Ranks of adapters to generate kernels for, 1 to {ModelManifest.MaxRank}.", HelpName = "8,16", CustomParser = Numbers.Ranks };
    private readonly Option<string> _output = SharedOptions.Output("Where the manifest is written.", "FILE");

    public static Command Create()
    {
        var options = new ManifestCommand();
        var command = new Command("manifest", "Writes a model's manifest, from which its kernels are generated.") { options._model, options._ranks, options._output };
        command.SetAction(options.Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        var (model, path) = (parsed.GetValue(_model)!, parsed.GetValue(_output)!);
        OutputFile.RefuseInputs(path, model);
        return OutputFile.Write(path, output =>
        {
            ModelManifest.Write(model, parsed.GetValue(_ranks) ?? [], output);
            return ExitCode.Success;
        });
    }
}
