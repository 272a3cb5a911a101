using System.Diagnostics;
using System.Reflection;
using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Cli.Benchmarking;

/// <summary>
/// Measures a model with pseudo-random tokens: the time from opening it to the first logits, prefills, single steps, memory. Each test is run
/// once without being counted; the first-token test comes first and once, with nothing warm but the file's pages.
/// </summary>
internal sealed class Benchmark
{
    private const int DefaultGenerateLength = 64;

    private readonly Random _random = new(1);

    /// <summary>Opens the model and puts its adapters on.</summary>
    public required Func<Model> OpenModel { get; init; }
    public required IReadOnlyList<int> PromptLengths { get; init; }
    /// <summary>Tokens to decode; null: 64, or as many as the model's context holds.</summary>
    public required int? GenerateLength { get; init; }
    public required int RepetitionCount { get; init; }
    public required IBenchmarkReport Report { get; init; }
    /// <summary>Loads an adapter for each session of <see cref="AdapterSetTests"/>; null: without these tests.</summary>
    public Func<LoraAdapter[]>? LoadAdapters { get; init; }

    public void Run()
    {
        var startBytes = ResidentMemory.Current;
        var firstLength = PromptLengths.Count > 0 ? PromptLengths[0] : 1;
        var start = Stopwatch.GetTimestamp();
        using var model = OpenModel();
        using (var session = Open(model, firstLength)) session.Prefill(RandomTokens(model, firstLength));
        var first = Stopwatch.GetElapsedTime(start).TotalSeconds;

        Report.Engine($"tinylora {Version}", model.InstructionSet.Name);
        Report.Test("first-token", new TestRuns(firstLength, [first], 0));
        foreach (var length in PromptLengths)
        {
            using var session = Open(model, length);
            var tokens = RandomTokens(model, length);
            session.Prefill(tokens);
            Report.Test($"prefill{length}", TestRuns.Measure(length, RepetitionCount, () => session.Rewind(0), () => session.Prefill(tokens)));
        }
        var generated = GenerateLength ?? Math.Min(DefaultGenerateLength, model.Shape.ContextLength);
        if (generated > 0)
        {
            using var session = Open(model, generated);
            var tokens = RandomTokens(model, generated);
            session.Decode(tokens[0]);
            Report.Test($"decode{generated}", TestRuns.Measure(generated, RepetitionCount, () => session.Rewind(0), () =>
            {
                foreach (var token in tokens) session.Decode(token);
            }));
        }
        Report.Memory(startBytes, ResidentMemory.Peak);
        if (LoadAdapters != null)
            new AdapterSetTests { Model = model, Adapters = LoadAdapters(), Tokens = RandomTokens(model, generated), RepetitionCount = RepetitionCount, Report = Report }.Run();
    }

    private static string Version => typeof(Benchmark).Assembly.GetName().Version?.ToString(3) ?? "";

    private static Session Open(Model model, int length) => model.CreateSession(new SessionOptions { ContextLength = length });

    private int[] RandomTokens(Model model, int length)
    {
        var tokens = new int[length];
        for (var i = 0; i < length; i++) tokens[i] = _random.Next(model.Shape.VocabularySize);
        return tokens;
    }
}
