using System.Globalization;
using TinyLora.Adapters;
using TinyLora.Conversation;
using TinyLora.Inference;

namespace TinyLora.Cli.Chatting;

/// <summary>Takes the lines of a conversation: messages, and commands that begin with a slash.</summary>
internal sealed class ChatLoop(Model model, MultiTurnConversation conversation, Terminal terminal, bool allowOtherBase)
{
    private const string Help =
        "/adapter NAME SCALE  how strongly an adapter acts, 0: not at all; NAME may be a path\n"
        + "/adapter             the adapters that are on\n"
        + "/reset               begin anew\n"
        + "/exit                end";

    /// <summary>Whether the conversation goes on.</summary>
    public bool Goes { get; private set; } = true;

    public void Take(string line)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words.Length == 0) return;
        switch (words[0])
        {
            case "/exit" or "/quit":
                Goes = false;
                break;
            case "/reset":
                conversation.ClearHistory();
                break;
            case "/help":
                terminal.WriteError(Help);
                break;
            case "/adapter":
                SetAdapter(line.Trim()["/adapter".Length..].Trim());
                break;
            case ['/', ..]:
                terminal.WriteError($"There is no command {words[0]}; /help shows them.");
                break;
            default:
                Answer(line);
                break;
        }
    }

    private void Answer(string message)
    {
        var work = terminal.BeginWork();
        TextGenerationResult result;
        try
        {
            result = conversation.Submit(message, work);
        }
        finally
        {
            terminal.EndWork();
        }
        terminal.WriteLine("");
        if (result.StopReason == StopReason.ContextSizeLimitExceeded)
            terminal.WriteError($"The context of {conversation.ContextLength} tokens is full; /reset begins anew.");
        if (terminal.IsInteractive)
            terminal.WriteError(string.Create(CultureInfo.InvariantCulture, $"[{result.GeneratedTokenCount} tokens, {result.TokenGenerationRate:0} a second]"));
    }

    private void SetAdapter(string text)
    {
        if (text.Length == 0)
        {
            foreach (var adapter in model.Adapters) terminal.WriteError(string.Create(CultureInfo.InvariantCulture, $"{adapter.Name} {adapter.Scale}"));
            return;
        }
        var space = text.LastIndexOf(' ');
        if (space < 0 || !float.TryParse(text.AsSpan(space + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out var scale) || !float.IsFinite(scale))
        {
            terminal.WriteError("Usage: /adapter NAME SCALE");
            return;
        }
        try
        {
            SetAdapter(text[..space].Trim(), scale);
        }
        catch (Exception unusable) when (unusable is IOException or InvalidDataException or InvalidOperationException or UnauthorizedAccessException)
        {
            terminal.WriteError(Failure.Describe(unusable));
        }
    }

    /// <summary>Scales the adapter of a name, or else puts on the one at a path.</summary>
    private void SetAdapter(string name, float scale)
    {
        foreach (var adapter in model.Adapters)
        {
            if (!adapter.Name.Equals(name, StringComparison.OrdinalIgnoreCase) && adapter.Path != name) continue;
            adapter.Scale = scale;
            return;
        }
        if (!Path.Exists(name))
            throw new InvalidDataException($"No adapter '{name}' is on, and no file has that path. On: {(model.Adapters.Count == 0 ? "none" : string.Join(", ", model.Adapters.Select(adapter => adapter.Name)))}.");
        var added = new AdapterArgument(name, scale).Load(allowOtherBase);
        try
        {
            model.ApplyLoraAdapter(added);
        }
        catch
        {
            added.Dispose();
            throw;
        }
    }
}
