using System.CommandLine;
using TinyLora.Conversation;
using TinyLora.Inference;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora run</c>: a text in, the model's answer out as it comes.</summary>
internal sealed class RunCommand
{
    private const int DefaultTokenCount = 512;

    private readonly ModelOptionsGroup _model = new();
    private readonly SamplingOptionsGroup _sampling = new();
    private readonly Option<string> _prompt = SharedOptions.Prompt(required: true);
    private readonly Option<string> _system = new("--system") { Description = "Instructions to the model.", HelpName = "TEXT" };
    private readonly Option<bool> _raw = SharedOptions.Flag("--raw", "No chat template: the model goes on with the text, in which special tokens are recognised.");
    private readonly Option<int> _count = SharedOptions.Count("-n", $"Tokens at most ({DefaultTokenCount}).", 0, "--max-tokens");
    private readonly Option<bool> _json = SharedOptions.Flag("--json", "Write one JSON object: text, ids, why it ended, the adapters that were on, rates.");

    public static Command Create(Terminal terminal)
    {
        var options = new RunCommand();
        var command = new Command("run", "Answers a text, or goes on with it.");
        options._model.AddTo(command);
        command.Add(options._prompt);
        command.Add(options._system);
        command.Add(options._raw);
        command.Add(options._count);
        options._sampling.AddTo(command);
        command.Add(options._json);
        command.Validators.Add(result =>
        {
            if (result.Has(options._raw) && result.Has(options._system)) result.AddError("--raw uses no chat template: it does not go with --system.");
        });
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        using var model = _model.Open(parsed);
        var prompt = PromptTokens.Encode(model, parsed.GetValue(_prompt)!, parsed.GetValue(_system), parsed.Has(_raw));
        var limit = parsed.Has(_count) ? parsed.GetValue(_count) : DefaultTokenCount;
        using var answer = new Answer(model, prompt, limit, _sampling.Read(parsed));
        var streams = !parsed.Has(_json);
        var work = terminal.BeginWork();
        try
        {
            answer.Run(streams ? terminal.Output : null, work);
        }
        finally
        {
            terminal.EndWork();
        }
        if (streams) terminal.WriteLine("");
        else AnswerJson.Write(terminal.Output, model, prompt, answer);
        return answer.StopReason == StopReason.CancellationRequested ? ExitCode.Interrupted : ExitCode.Success;
    }
}
