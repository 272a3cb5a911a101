using System.Text;
using System.Text.Json;
using TinyLora.Cli;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Cli;

/// <summary>One run of the program in this process: its exit code and what it wrote.</summary>
internal sealed record CommandRun(int ExitCode, byte[] Output, string Error)
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public string Text => Utf8.GetString(Output);

    /// <summary>The output's one line.</summary>
    public string Line => Text.EndsWith('\n') && Text.IndexOf('\n') == Text.Length - 1 ? Text[..^1] : throw new InvalidOperationException($"Not one line: {Text}");

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public static string Lantern => Repository("samples/lantern/lantern-3m-Q8_0.gguf");

    public static string Adapter(string name) => Path.Combine(Repository("samples/lantern/adapters"), name);

    public static string Repository(string relative) => Path.GetFullPath(Path.Combine(Shared.Repository, relative));

    public static CommandRun Of(params string[] args) => With([], args);

    public static CommandRun With(ReadOnlySpan<byte> input, params string[] args)
    {
        var given = new MemoryStream(input.ToArray());
        return With(() => given, new MemoryStream(), args);
    }

    public static CommandRun With(Func<Stream> input, Stream output, string[] args)
    {
        using var error = new MemoryStream();
        using var terminal = new Terminal(input, output, error);
        var code = Application.Run(args, terminal);
        return new CommandRun(code, (output as MemoryStream)?.ToArray() ?? [], Utf8.GetString(error.ToArray()));
    }

    /// <summary>Checks that the input was refused as it should be: nothing on standard output but what came before, one line on standard error.</summary>
    public CommandRun Refused(int exitCode, string because)
    {
        Assert.StartsWith("tinylora: ", Error);
        Assert.EndsWith("\n", Error);
        Assert.Equal(Error.Length - 1, Error.IndexOf('\n'));
        Assert.Contains(because, Error);
        Assert.DoesNotContain("Exception", Error);
        Assert.DoesNotContain("   at ", Error);
        Assert.Equal(exitCode, ExitCode);
        return this;
    }

    public CommandRun Succeeded()
    {
        Assert.Equal("", Error);
        Assert.Equal(0, ExitCode);
        return this;
    }
}
