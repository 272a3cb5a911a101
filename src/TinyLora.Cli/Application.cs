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
        var values = new ArgumentValues(args, root);
        var parsed = root.Parse(values.Joined, configuration);
        var unknown = values.Unknown ?? parsed.UnmatchedTokens.FirstOrDefault();
        if (unknown != null || parsed.Errors.Count > 0)
        {
            var message = unknown != null ? $"'{unknown}' is no option or command here." : parsed.Errors[0].Message;
            terminal.WriteError($"tinylora: {Text.OneLine(message)} See '{NameOf(values.Command)} --help'.");
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
            AdapterCommand.Create(terminal),
            MergeCommand.Create(terminal),
        };
        // [suggest] and the like would take a first argument away; /h and /? may be files.
        root.Directives.Clear();
        for (var i = 0; i < root.Options.Count; i++)
            if (root.Options[i] is HelpOption) root.Options[i] = new HelpOption("--help", "-h");
        return root;
    }

    private static string NameOf(Command command) => command switch
    {
        RootCommand => "tinylora",
        _ when command.Parents.FirstOrDefault() is Command outer => $"{NameOf(outer)} {command.Name}",
        _ => command.Name,
    };
}
