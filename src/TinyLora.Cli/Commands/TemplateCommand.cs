using System.CommandLine;
using TinyLora.Conversation;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora template</c>: the prompt that a model's chat template makes of messages, byte for byte.</summary>
internal sealed class TemplateCommand
{
    private readonly Option<string> _model = SharedOptions.Model();
    private readonly Argument<string> _messages = SharedOptions.Path("MESSAGES.json", "An array of {role, content}, or an object with it as messages, and perhaps add_generation_prompt.");

    public static Command Create(Terminal terminal)
    {
        var options = new TemplateCommand();
        var command = new Command("template", "Renders messages by the model's chat template.") { options._model, options._messages };
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        var template = ChatTemplateSource.Read(parsed.GetValue(_model)!).Parse();
        var messages = MessagesFile.Read(parsed.GetValue(_messages)!);
        terminal.Output.Write(Text.Utf8(template.Render(messages.Messages, messages.AddGenerationPrompt)));
        return ExitCode.Success;
    }
}
