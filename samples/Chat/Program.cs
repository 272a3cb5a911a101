using System.Text;

// The keeper of an inn, in four voices. Each argument is a line as you would type it; without arguments there is a show, and then it is your turn.
var folder = Path.Combine(AppContext.BaseDirectory, "lantern");
// A token of this small model takes a fraction of a millisecond: sharing it among threads would cost more than it gains.
using var model = Lantern.Open(Path.Combine(folder, "lantern-3m-Q8_0.gguf"), new ModelOptions { ThreadCount = 1 });
LoraAdapter[] adapters = [Load("pirate"), Load("bard"), Load("grumpy")];
using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy, MaximumCompletionTokens = 160 };
var page = new Page();
chat.Utf8Generated += page.Write;
var (answers, tokens, seconds) = (0, 0, 0.0);
var isInteractive = args.Length == 0 && !Console.IsInputRedirected && !Console.IsOutputRedirected;

Console.OutputEncoding = new UTF8Encoding(false);
Note($"{Path.GetFileName(model.Path)}: {model.Shape.LayerCount} layers, hidden size {model.Shape.HiddenSize}; kernels generated for it, {model.InstructionSet}, {model.ThreadCount} thread");
if (args.Length > 0)
{
    foreach (var line in args)
        if (!Obey(line)) break;
}
else
{
    Show("What is LoRA?", [[], [("pirate", 1f)], [("bard", 1f)], [("grumpy", 1f)]]);
    Show("How do I get to the mill?", [[("pirate", 1f)], [("pirate", 0.5f)], [("pirate", 0f)]]);
    Show("Tell me a story about a fox.", [[], [("grumpy", 1f)], [("pirate", 1f), ("grumpy", 1f)]]);
    Put([]);
    chat.ClearHistory();
    Console.WriteLine("\nYour turn: ask about the village, its people, prices, ways and stories, or about LoRA. /help says what else.");
    if (isInteractive) Console.WriteLine("Tab puts another voice on and answers again, ↓ halves it, ↑ doubles it, Esc takes it off.");
    while (ReadLine() is { } line && Obey(line)) { }
}
if (answers > 1) Note($"\n{answers} answers, {tokens} tokens, {tokens / Math.Max(seconds, 1e-9):N0} tokens/s, {page.BytesPerToken:0.##} bytes allocated a token");

LoraAdapter Load(string name)
{
    var adapter = new LoraAdapter(Path.Combine(folder, "adapters", name)) { Scale = 0f };
    model.ApplyLoraAdapter(adapter);
    return adapter;
}

// Adapters named in the list are on at their scales, all others off.
void Put(ReadOnlySpan<(string Name, float Scale)> voice)
{
    foreach (var adapter in adapters) adapter.Scale = 0f;
    foreach (var (name, scale) in voice) Array.Find(adapters, adapter => adapter.Name == name)!.Scale = scale;
}

void Show(string question, (string, float)[][] voices)
{
    Console.WriteLine($"\n> {question}");
    foreach (var voice in voices)
    {
        Put(voice);
        chat.ClearHistory();
        Answer(question);
    }
}

// A null question is the last one again.
void Answer(string? question)
{
    // The model was trained on short chats.
    if (question != null && chat.History.Sum(message => message.Content.Length) > 1200) chat.ClearHistory();
    page.Begin(Voice(), Colour());
    var result = question == null ? chat.Regenerate() : chat.Submit(question);
    answers++;
    tokens += result.GeneratedTokenCount;
    seconds += result.GenerationDuration.TotalSeconds;
    page.End($"{result.GeneratedTokenCount} tokens, {result.TokenGenerationRate:N0} tokens/s, {page.LastBytesPerToken:0.##} bytes allocated a token");
}

string Voice() => adapters.All(adapter => adapter.Scale == 0f) ? "base"
    : string.Join(" + ", adapters.Where(adapter => adapter.Scale != 0f).Select(adapter => adapter.Scale == 1f ? adapter.Name : $"{adapter.Name} {adapter.Scale:0.###}"));

// Terminal colours: bold for the base, green for a mixture.
int Colour() => Array.FindAll(adapters, adapter => adapter.Scale != 0f) switch { [] => 1, [var one] => 36 - Array.IndexOf(adapters, one), _ => 32 };

void Note(string text) => Console.WriteLine(page.Paint(text, 90));

// False: it was the last line.
bool Obey(string line)
{
    var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
    var scale = 1f;
    switch (words)
    {
        case []: break;
        case ["/exit" or "/quit"]: return false;
        case ["/adapters"]:
            foreach (var adapter in adapters) Console.WriteLine($"{adapter.Name,-8} rank {adapter.Rank}, scale {adapter.Scale:0.###}");
            break;
        case ["/adapter", var name, .. var rest] when rest.Length == 0 || rest.Length == 1 && float.TryParse(rest[0], out scale) && float.IsFinite(scale):
            if (Array.Find(adapters, adapter => adapter.Name == name) is { } chosen) chosen.Scale = scale;
            else Console.WriteLine($"No adapter is named {name}: {string.Join(", ", adapters.Select(adapter => adapter.Name))} are.");
            break;
        case ["/new"]: chat.ClearHistory(); break;
        case [['/', ..], ..]:
            Console.WriteLine("/adapter NAME SCALE   a fader: 1 is the full voice, 0.5 half of it, 0 takes it off; several at once\n/adapters             lists them\n/new                  forgets the conversation\n/exit                 ends");
            break;
        default: Answer(line); break;
    }
    return true;
}

string? ReadLine()
{
    if (!isInteractive) return Console.In.ReadLine();
    var line = new StringBuilder();
    Prompt();
    while (true)
    {
        var key = Console.ReadKey(intercept: true);
        var isEmpty = line.Length == 0;
        if (key.Key == ConsoleKey.Enter)
        {
            Console.WriteLine();
            return line.ToString();
        }
        if (key is { Key: ConsoleKey.D, Modifiers: ConsoleModifiers.Control } && isEmpty) return null;
        if (key.Key == ConsoleKey.Backspace && !isEmpty)
        {
            line.Length--;
            Console.Write("\b \b");
        }
        else if (isEmpty && TurnKnob(key.Key))
        {
            Console.Write("\r\e[K");
            Answer(chat.History.Count > 0 ? null : "Who are you?");
            Prompt();
        }
        else if (!char.IsControl(key.KeyChar))
        {
            line.Append(key.KeyChar);
            Console.Write(key.KeyChar);
        }
    }

    void Prompt() => Console.Write(page.Paint($"{Voice()} > ", Colour()));
}

bool TurnKnob(ConsoleKey key)
{
    var factor = key switch { ConsoleKey.DownArrow => 0.5f, ConsoleKey.UpArrow => 2f, _ => 0f };
    if (factor == 0f && key is not (ConsoleKey.Tab or ConsoleKey.Escape)) return false;
    var next = Array.FindLastIndex(adapters, adapter => adapter.Scale != 0f) + 1;
    foreach (var adapter in adapters) adapter.Scale *= factor;
    if (key == ConsoleKey.Tab && next < adapters.Length) adapters[next].Scale = 1f;
    return true;
}

/// <summary>The model of this program: its kernels are generated from the file that the project names.</summary>
[LoraModel("lantern-3m-Q8_0.model.json")]
public sealed partial class Lantern;

/// <summary>Writes answers beside their voice's name as they come, and counts what was allocated meanwhile.</summary>
internal sealed class Page
{
    private const int Indent = 11;
    private readonly Stream _output = Console.OpenStandardOutput();
    private readonly bool _isPlain = Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
    private readonly int _width = Console.IsOutputRedirected ? int.MaxValue : Math.Clamp(Console.WindowWidth, 40, 100) - Indent - 6;
    private int _column, _pieces, _allPieces;
    private long _start, _end, _allBytes;

    public double LastBytesPerToken => (_end - _start) / Math.Max(1.0, _pieces - 1);

    public double BytesPerToken => _allBytes / Math.Max(1.0, _allPieces);

    public string Paint(string text, int colour) => _isPlain ? text : $"\e[{colour}m{text}\e[0m";

    public void Begin(string voice, int colour)
    {
        Console.Write(Paint(voice.Length < Indent ? voice.PadRight(Indent) : voice + "\n" + new string(' ', Indent), colour));
        _column = _pieces = 0;
        _start = _end = 0;
    }

    // Called with each piece of text: it allocates nothing, as the generation between two calls.
    public void Write(ReadOnlySpan<byte> text)
    {
        if (_column + text.Length > _width && text[0] == ' ') NewLine(ref text, 1);
        for (int end; (end = text.IndexOf((byte)'\n')) >= 0;)
        {
            _output.Write(text[..end]);
            NewLine(ref text, end + 1);
        }
        _output.Write(text);
        _column += text.Length;
        _end = GC.GetAllocatedBytesForCurrentThread();
        if (_pieces++ == 0) _start = _end;
    }

    public void End(string note)
    {
        _allBytes += _end - _start;
        _allPieces += Math.Max(0, _pieces - 1);
        Console.WriteLine("\n" + new string(' ', Indent) + Paint(note, 90));
    }

    private void NewLine(ref ReadOnlySpan<byte> text, int skip)
    {
        _output.Write("\n           "u8);
        text = text[skip..];
        _column = 0;
    }
}
