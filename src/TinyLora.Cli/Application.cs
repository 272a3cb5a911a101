using System.CommandLine;
using System.CommandLine.Help;
using TinyLora.Cli.Commands;

namespace TinyLora.Cli;

/// <summary>The program: a command line in, bytes out, an exit code. It never throws.</summary>
internal static class Application
{
    public static int Run(string[] args, Terminal terminal)
    {
        try
        {
            var code = Invoke(args, terminal);
            terminal.Output.Flush();
            return code;
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception failure)
        {
            terminal.WriteError($"tinylora: {Failure.Describe(failure)}");
            return ExitCode.UnusableInput;
        }
    }

    private static int Invoke(string[] args, Terminal terminal)
    {
        var root = Root(terminal);
        // No response files and no bundling: a prompt may begin with @, and -nope is no -n.
        var configuration = new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null };
        var parsed = root.Parse(ArgumentValues.Join(args, root), configuration);
        if (parsed.Errors.Count > 0)
        {
            var command = CommandPath(parsed.CommandResult);
            var message = parsed.UnmatchedTokens.Count > 0 ? $"'{parsed.UnmatchedTokens[0]}' is no option or command here." : parsed.Errors[0].Message;
            terminal.WriteError($"tinylora: {Text.OneLine(message)} See '{command} --help'.");
            return ExitCode.WrongUsage;
        }
        using var output = new StreamWriter(terminal.Output, leaveOpen: true);
        return parsed.Invoke(new InvocationConfiguration
        {
            Output = output,
            Error = output,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    private static RootCommand Root(Terminal terminal)
    {
        var root = new RootCommand("Runs small language models with LoRA adapters.")
        {
            RunCommand.Create(terminal),
            ChatCommand.Create(terminal),
            LogitsCommand.Create(terminal),
            TokenizeCommand.Create(terminal),
            DetokenizeCommand.Create(terminal),
            TemplateCommand.Create(terminal),
            InspectCommand.Create(terminal),
            ManifestCommand.Create(),
            BenchCommand.Create(terminal),
            AdapterCommand.Create(),
        };
        // [suggest] and the like would take a first argument away; /h and /? may be files.
        root.Directives.Clear();
        for (var i = 0; i < root.Options.Count; i++)
            if (root.Options[i] is HelpOption) root.Options[i] = new HelpOption("--help", "-h");
        return root;
    }

    private static string CommandPath(System.CommandLine.Parsing.CommandResult result)
    {
        var path = "tinylora";
        var names = new List<string>();
        for (System.CommandLine.Parsing.SymbolResult? at = result; at is System.CommandLine.Parsing.CommandResult { Command: not RootCommand } command; at = at.Parent)
            names.Insert(0, command.Command.Name);
        foreach (var name in names) path += " " + name;
        return path;
    }
}
