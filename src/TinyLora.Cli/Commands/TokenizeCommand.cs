using System.CommandLine;
using TinyLora.Numerics;
using TinyLora.Tokenization;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora tokenize</c>: the tokens of a text as a JSON array.</summary>
internal sealed class TokenizeCommand
{
    private readonly Option<string> _model = SharedOptions.Model("a GGUF file (also one that holds only a vocabulary), a Hugging Face folder or a tokenizer.json");
    private readonly Option<bool> _special = SharedOptions.Flag("--special", "Recognise special tokens in the text.");
    private readonly Option<bool> _noBegin = SharedOptions.Flag("--no-bos", "Without the token that begins a text, also where the model asks for it.");
    private readonly Argument<string?> _file = new("FILE") { Description = "The text, whatever its bytes are; standard input unless given.", Arity = ArgumentArity.ZeroOrOne };

    public static Command Create(Terminal terminal)
    {
        var options = new TokenizeCommand();
        var command = new Command("tokenize", "Prints the tokens of a text as a JSON array.") { options._model, options._special, options._noBegin, options._file };
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        var tokenizer = Tokenizer.Open(TokenizerPath.Of(parsed.GetValue(_model)!));
        var text = parsed.GetValue(_file) is { } file ? File.ReadAllBytes(file) : terminal.ReadInput();
        using var tokens = new NativeScratch<int>(tokenizer.MaxTokenCount(text.Length));
        var count = tokenizer.Encode(text, tokens.Span, parsed.Has(_special), begin: !parsed.Has(_noBegin));
        using (var json = JsonOutput.Open(terminal.Output))
        {
            json.WriteStartArray();
            foreach (var token in tokens.Span[..count]) json.WriteNumberValue(token);
            json.WriteEndArray();
        }
        terminal.WriteLine("");
        return ExitCode.Success;
    }
}
