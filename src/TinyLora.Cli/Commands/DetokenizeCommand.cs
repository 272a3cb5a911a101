using System.CommandLine;
using TinyLora.Tokenization;

namespace TinyLora.Cli.Commands;

/// <summary><c>tinylora detokenize</c>: the text of tokens, and nothing else.</summary>
internal sealed class DetokenizeCommand
{
    private readonly Option<string> _model = SharedOptions.Model("a GGUF file (also one that holds only a vocabulary), a Hugging Face folder or a tokenizer.json");
    private readonly Option<bool> _special = SharedOptions.Flag("--special", "Write special tokens too.");
    private readonly Argument<int[]> _tokens = new("TOKENS") { Description = "Tokens between commas: 1,2,3", CustomParser = Numbers.List, Arity = ArgumentArity.ExactlyOne };

    public static Command Create(Terminal terminal)
    {
        var options = new DetokenizeCommand();
        var command = new Command("detokenize", "Writes the text of tokens.") { options._model, options._special, options._tokens };
        command.SetAction(parsed => options.Run(parsed, terminal));
        return command;
    }

    private int Run(ParseResult parsed, Terminal terminal)
    {
        var tokenizer = Tokenizer.Open(TokenizerPath.Of(parsed.GetValue(_model)!));
        var tokens = parsed.GetValue(_tokens)!;
        foreach (var token in tokens)
            if (token >= tokenizer.VocabularySize)
                throw new UnusableInputException($"token {token} is outside the vocabulary of {parsed.GetValue(_model)}, which has {tokenizer.VocabularySize}.");
        terminal.Output.Write(Text.Utf8(tokenizer.Decode(tokens, parsed.Has(_special))));
        return ExitCode.Success;
    }
}
