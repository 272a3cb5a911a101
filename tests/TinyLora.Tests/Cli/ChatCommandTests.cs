using System.Text;
using TinyLora.Cli;

namespace TinyLora.Tests.Cli;

public class ChatCommandTests
{
    private static readonly string Lantern = CommandRun.Lantern;

    private static CommandRun Chat(string lines, params string[] more) => CommandRun.With(Encoding.UTF8.GetBytes(lines), ["chat", "-m", Lantern, "--greedy", "-n", "40", .. more]);

    private static string Answer(string question, params string[] more) => CommandRun.Of(["run", "-m", Lantern, "-p", question, "--greedy", "-n", "40", .. more]).Succeeded().Text;

    [Fact]
    public void AnswersEachLineUntilTheInputEnds()
    {
        var chat = Chat("What is LoRA?\n\n/reset\nWho are you?").Succeeded();
        Assert.Equal(Answer("What is LoRA?") + Answer("Who are you?"), chat.Text);
        Assert.Equal("", Chat("").Succeeded().Text);
        Assert.Equal("", Chat("/exit\nWho are you?\n").Succeeded().Text);
    }

    [Fact]
    public void AnAdapterIsPutOnAndFadedInBetween()
    {
        var pirate = CommandRun.Adapter("pirate");
        var chat = Chat($"Who are you?\n/reset\n/adapter {pirate} 1\nWho are you?\n/reset\n/adapter pirate 0\nWho are you?\n");
        Assert.Equal(Answer("Who are you?") + Answer("Who are you?", "-a", pirate) + Answer("Who are you?"), chat.Succeeded().Text);
    }

    [Fact]
    public void WhatIsNotUnderstoodIsSaidAndTheChatGoesOn()
    {
        var chat = Chat($"/adapter nobody 1\n/adapter pirate\n/adapter pirate NaN\n/adapter {Lantern} 1\n/bogus\n/adapter\nWho are you?\n", "-a", $"{CommandRun.Adapter("pirate")}:0");
        Assert.Equal(0, chat.ExitCode);
        Assert.Equal(Answer("Who are you?"), chat.Text);
        Assert.Contains("nobody", chat.Error);
        Assert.Contains("general.type", chat.Error);
        Assert.Contains("/bogus", chat.Error);
        Assert.Contains("pirate 0\n", chat.Error);
        Assert.Equal(6, chat.Error.Count(character => character == '\n'));
    }

    [Fact]
    public void AnInterruptEndsTheAnswerAndNotTheChat()
    {
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        var lines = new MemoryStream("What is LoRA?\n/exit\n"u8.ToArray());
        using var interrupting = new FirstWrite(output);
        using var terminal = new Terminal(() => lines, interrupting, error);
        interrupting.Written = () => terminal.Interrupt();
        Assert.Equal(0, Application.Run(["chat", "-m", Lantern, "--greedy"], terminal));
        var text = Encoding.UTF8.GetString(output.ToArray()).TrimEnd('\n');
        Assert.InRange(text.Length, 1, 60);
    }

    [Fact]
    public void ATerminationEndsTheChatWithTheAnswer()
    {
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        var lines = new MemoryStream("What is LoRA?\nWho are you?\nWhat is LoRA?\n"u8.ToArray());
        using var interrupting = new FirstWrite(output);
        using var terminal = new Terminal(() => lines, interrupting, error);
        interrupting.Written = () => Assert.True(terminal.End() && terminal.End());
        Assert.Equal(130, Application.Run(["chat", "-m", Lantern, "--greedy"], terminal));
        Assert.InRange(Encoding.UTF8.GetString(output.ToArray()).TrimEnd('\n').Length, 1, 60);
    }

    [Fact]
    public void AFullContextIsSaid()
    {
        var chat = Chat(string.Join(' ', Enumerable.Repeat("lantern", 600)) + "\nWho are you?\n");
        Assert.Equal(0, chat.ExitCode);
        Assert.Contains("is full", chat.Error);
        Assert.EndsWith(Answer("Who are you?"), chat.Text);
    }

    [Fact]
    public void WrongUsageIsSaid()
    {
        CommandRun.Of("chat").Refused(2, "--model");
        CommandRun.Of("chat", "-m", Lantern, "-n", "0").Refused(2, "-n");
        CommandRun.Of("chat", "-m", "no-such-model").Refused(1, "no-such-model");
        CommandRun.With(() => throw new IOException("closed"), new MemoryStream(), ["chat", "-m", Lantern]).Refused(1, "closed");
    }

    private sealed class FirstWrite(Stream output) : MemoryStream
    {
        public Action? Written { get; set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            output.Write(buffer);
            Written?.Invoke();
            Written = null;
        }
    }
}
