using System.Diagnostics;
using System.Reflection;
using TinyLora.Inference;

namespace TinyLora.Cli.Benchmarking;

/// <summary>
/// Measures a model with pseudo-random tokens: the time from opening it to the first logits, prefills, single steps, memory. Each test is run
/// once without being counted; the first-token test comes first and once, with nothing warm but the file's pages.
/// </summary>
internal sealed class Benchmark
{
    private readonly Random _random = new(1);

    /// <summary>Opens the model and puts its adapters on.</summary>
    public required Func<Model> OpenModel { get; init; }
    public required IReadOnlyList<int> PromptLengths { get; init; }
    public required int GenerateLength { get; init; }
    public required int RepetitionCount { get; init; }
    public required IBenchmarkReport Report { get; init; }

    public void Run()
    {
        var startBytes = ResidentMemory.Current;
        var firstLength = PromptLengths.Count > 0 ? PromptLengths[0] : 1;
        var start = Stopwatch.GetTimestamp();
        using var model = OpenModel();
        using (var session = Open(model, firstLength)) session.Prefill(RandomTokens(model, firstLength));
        var first = Stopwatch.GetElapsedTime(start).TotalSeconds;

        Report.Engine($"tinylora {Version}", model.InstructionSet.Name);
        Report.Test("first-token", firstLength, [first]);
        foreach (var length in PromptLengths)
        {
            using var session = Open(model, length);
            var tokens = RandomTokens(model, length);
            session.Prefill(tokens);
            Report.Test($"prefill{length}", length, Repeat(session, () => session.Prefill(tokens)));
        }
        if (GenerateLength > 0)
        {
            using var session = Open(model, GenerateLength);
            var tokens = RandomTokens(model, GenerateLength);
            session.Decode(tokens[0]);
            Report.Test($"decode{GenerateLength}", GenerateLength, Repeat(session, () =>
            {
                foreach (var token in tokens) session.Decode(token);
            }));
        }
        Report.Memory(startBytes, ResidentMemory.Peak);
    }

    private static string Version => typeof(Benchmark).Assembly.GetName().Version?.ToString(3) ?? "";

    private static Session Open(Model model, int length) => model.CreateSession(new SessionOptions { ContextLength = length });

    private int[] RandomTokens(Model model, int length)
    {
        var tokens = new int[length];
        for (var i = 0; i < length; i++) tokens[i] = _random.Next(model.Shape.VocabularySize);
        return tokens;
    }

    private double[] Repeat(Session session, Action test)
    {
        var seconds = new double[RepetitionCount];
        for (var i = 0; i < seconds.Length; i++)
        {
            session.Rewind(0);
            var start = Stopwatch.GetTimestamp();
            test();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return seconds;
    }
}
