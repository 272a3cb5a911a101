using System.Text.Json;
using System.Text.Json.Serialization;

// A player writes a sentence; the adapter turns it into one line of JSON; the game does it. Arguments: sentences, or --test for the rate of exact
// answers; without arguments sentences are read from standard input after a few of our own.
var folder = Path.Combine(AppContext.BaseDirectory, "lantern");
using var model = Lantern.Open(Path.Combine(folder, "lantern-3m-Q8_0.gguf"), new ModelOptions { ThreadCount = 1 });
model.ApplyLoraAdapter(new LoraAdapter(Path.Combine(folder, "adapter_model.safetensors")));
using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy, MaximumCompletionTokens = 64 };
var (tokens, seconds) = (0, 0.0);
var (bytes, counted, last) = (0L, 0, -1L);
chat.Utf8Generated += Count;

if (args is ["--test"]) Test(Path.Combine(folder, "commands.test.jsonl"));
else if (args.Length > 0) foreach (var sentence in args) Play(sentence);
else
{
    foreach (var sentence in (string[])["please take two ropes", "go to the old tower", "give one rope to Borin", "open the chest", "what a lovely evening"]) Play(sentence);
    for (string? line; (line = Prompt()) != null;)
        if (line.Length > 0) Play(line);
}
Console.WriteLine($"\n{tokens} tokens, {tokens / Math.Max(seconds, 1e-9):N0} tokens/s, {bytes / Math.Max(1.0, counted):0.##} bytes allocated a token");

string? Prompt()
{
    if (!Console.IsInputRedirected) Console.Write("> ");
    return Console.ReadLine();
}

string Translate(string sentence)
{
    chat.ClearHistory();
    last = -1;
    var result = chat.Submit(sentence);
    tokens += result.GeneratedTokenCount;
    seconds += result.GenerationDuration.TotalSeconds;
    return result.Text;
}

void Play(string sentence)
{
    var json = Translate(sentence);
    Console.WriteLine($"{sentence}\n  {json}\n  {World.Do(Read(json) ?? new GameAction("none"))}");
}

// A small model may write what is no action; to the game that is a sentence that it did not understand.
static GameAction? Read(string json)
{
    try
    {
        return JsonSerializer.Deserialize(json, GameJson.Default.GameAction);
    }
    catch (JsonException)
    {
        return null;
    }
}

void Test(string path)
{
    var (right, valid, all) = (0, 0, 0);
    foreach (var line in File.ReadLines(path))
    {
        var example = JsonSerializer.Deserialize(line, GameJson.Default.Example)!.Messages;
        var json = Translate(example[0].Content);
        all++;
        if (Read(json) != null) valid++;
        if (json == example[1].Content) right++;
        else Console.WriteLine($"{example[0].Content}\n  expected {example[1].Content}\n  was      {json}");
    }
    Console.WriteLine($"{right} of {all} exactly right, {valid} valid");
}

// What the generation allocates between one piece of text and the next.
void Count(ReadOnlySpan<byte> text)
{
    var now = GC.GetAllocatedBytesForCurrentThread();
    if (last >= 0) (bytes, counted) = (bytes + now - last, counted + 1);
    last = now;
}

/// <summary>The model of this program.</summary>
[LoraModel("lantern-3m-Q8_0.model.json")]
public sealed partial class Lantern;

/// <summary>What the player wants, as the adapter writes it.</summary>
internal sealed record GameAction(string Do, string? To = null, string? Item = null, int Count = 1, string? Target = null);

internal sealed record Example(ChatMessage[] Messages);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(GameAction))]
[JsonSerializable(typeof(Example))]
internal sealed partial class GameJson : JsonSerializerContext;

/// <summary>The game: a place and a bag.</summary>
internal static class World
{
    private static readonly Dictionary<string, int> Bag = [];

    public static string Do(GameAction action) => action switch
    {
        { Do: "go", To: { } place } => $"You walk to the {place}.",
        { Do: "take" or "buy", Item: { } item } => $"You {action.Do} {action.Count} × {item}; you have {Bag[item] = Bag.GetValueOrDefault(item) + action.Count}.",
        { Do: "drop" or "sell" or "give", Item: { } item } when Bag.GetValueOrDefault(item) < action.Count => $"You have no {action.Count} × {item} to {action.Do}.",
        { Do: "drop" or "sell", Item: { } item } => $"You {action.Do} {action.Count} × {item}; you have {Bag[item] -= action.Count} left.",
        { Do: "give", Item: { } item, To: { } person } => $"You give {action.Count} × {item} to {person}; you have {Bag[item] -= action.Count} left.",
        { Do: "use" or "equip", Item: { } item } => Bag.ContainsKey(item) ? $"You {action.Do} the {item}." : $"You have no {item}.",
        { Do: "open" or "attack" or "look", Target: { } target } => $"You {action.Do}{(action.Do == "look" ? " at" : "")} the {target}.",
        { Do: "talk", To: { } person } => $"You talk to {person}.",
        { Do: "wait" } => "Time passes.",
        _ => "Nothing happens.",
    };
}
