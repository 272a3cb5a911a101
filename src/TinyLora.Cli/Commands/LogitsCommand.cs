using System.CommandLine;
using System.Globalization;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora logits</c>: the logits after each token of a prompt, and their hash.</summary>
internal sealed class LogitsCommand
{
    private readonly ModelOptionsGroup _model = new();
    private readonly Option<int[]> _tokens = new("--tokens") { Description = "The prompt's tokens. Needs no tokenizer.", HelpName = "1,2,3", CustomParser = Numbers.List };
    private readonly Option<string> _prompt = SharedOptions.Prompt(required: false);
    private readonly Option<bool> _special = SharedOptions.Flag("--special", "Recognise special tokens in the text.");
    private readonly Option<string> _output = SharedOptions.Output("Where input_ids and logits are written.", "OUT.safetensors", required: false);
    private readonly Option<int> _last = SharedOptions.Count("--last", "Only the last N rows.", 1);
    private readonly Option<int> _chunk = SharedOptions.Count("--chunk", "Tokens that are computed at a time; 1: decode. Changes no bit.", 1);

    public static Command Create(Terminal terminal)
    {
        var options = new LogitsCommand();
        var command = new Command("logits", "Computes the logits after each token of a prompt and prints the XXH3-64 of their bytes.");
        options._model.AddTo(command);
        command.Add(options._tokens);
        command.Add(options._prompt);
        command.Add(options._special);
        command.Add(options._output);
        command.Add(options._last);
        command.Add(options._chunk);
        command.Validators.Add(result =>
        {
            if (result.Has(options._tokens) == result.Has(options._prompt)) result.AddError("The prompt is needed once: --tokens or -p.");
            else if (result.Has(options._special) && result.Has(options._tokens)) result.AddError("--special goes with -p.");
        });
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        if (parsed.GetValue(_output) is { } written) OutputFile.RefuseInputs(written, _model.Paths(parsed));
        using var model = _model.Open(parsed);
        var tokens = parsed.Has(_tokens)
            ? parsed.GetValue(_tokens)!
            : model.Tokenizer.Encode(parsed.GetValue(_prompt)!, parsed.Has(_special), begin: true);
        PromptTokens.Check(model, tokens);
        var last = parsed.Has(_last) ? Math.Min(parsed.GetValue(_last), tokens.Length) : tokens.Length;
        var run = new LogitsRun(model, tokens, last, parsed.Has(_chunk) ? parsed.GetValue(_chunk) : int.MaxValue);
        var work = terminal.BeginWork();
        ulong hash;
        try
        {
            hash = parsed.GetValue(_output) is { } path ? OutputFile.Write(path, output => run.Write(output, work)) : run.Write(Stream.Null, work);
        }
        finally
        {
            terminal.EndWork();
        }
        if (run.FirstNotFinite >= 0) terminal.WriteError($"tinylora: note: after token {run.FirstNotFinite} (of 0 to {tokens.Length - 1}) not all logits are finite numbers; an adapter may be too strong.");
        terminal.WriteLine(hash.ToString("x16", CultureInfo.InvariantCulture));
        return ExitCode.Success;
    }
}
