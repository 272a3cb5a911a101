using System.CommandLine;
using System.Text;
using TinyLora.Cli.Chatting;
using TinyLora.Conversation;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora chat</c>: a conversation, line by line.</summary>
internal sealed class ChatCommand
{
    private readonly ModelOptionsGroup _model = new();
    private readonly SamplingOptionsGroup _sampling = new();
    private readonly Option<string> _system = new("--system") { Description = "Instructions to the model.", HelpName = "TEXT" };
    private readonly Option<int> _count = SharedOptions.Count("-n", "Tokens of an answer at most (512).", 1, "--max-tokens");

    public static Command Create(Terminal terminal)
    {
        var options = new ChatCommand();
        var command = new Command("chat", "Holds a conversation. A line is a message; /help shows what else can be said. Ctrl-C ends an answer.");
        options._model.AddTo(command);
        command.Add(options._system);
        command.Add(options._count);
        options._sampling.AddTo(command);
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        using var model = _model.Open(parsed);
        using var conversation = new MultiTurnConversation(model) { SystemPrompt = parsed.GetValue(_system), SamplingOptions = _sampling.Read(parsed) };
        if (parsed.Has(_count)) conversation.MaximumCompletionTokens = parsed.GetValue(_count);
        conversation.Utf8Generated += utf8 =>
        {
            terminal.Output.Write(utf8);
            terminal.Output.Flush();
        };
        var chat = new ChatLoop(model, conversation, terminal, _model.AllowsOtherBase(parsed));
        using var lines = new StreamReader(terminal.Input, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), detectEncodingFromByteOrderMarks: false);
        while (chat.Goes && !terminal.IsEnding)
        {
            terminal.WritePrompt();
            if (Terminal.ReadLine(lines) is not { } line) break;
            chat.Take(line);
        }
        return terminal.IsEnding ? ExitCode.Interrupted : ExitCode.Success;
    }
}
