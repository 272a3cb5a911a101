using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Cli.Benchmarking;

/// <summary>
/// Decodes with other sets of adapters than the model's own. <c>off</c>: none; <c>on</c>: one; <c>two</c>; <c>switch</c>: another at each token, the cache kept;
/// <c>batch8</c>: eight sessions together, an adapter each; <c>alone8</c>: the same eight one after another. Each adapter has memory of its own.
/// </summary>
internal sealed class AdapterSetTests
{
    /// <summary>Sessions of a batch, and adapters that the tests need.</summary>
    public const int SessionCount = 8;

    public required Model Model { get; init; }
    /// <summary><see cref="SessionCount"/> of them.</summary>
    public required LoraAdapter[] Adapters { get; init; }
    public required int[] Tokens { get; init; }
    public required int RepetitionCount { get; init; }
    public required IBenchmarkReport Report { get; init; }

    public void Run()
    {
        Test("off", () => []);
        Test("on", () => Adapters.AsSpan(0, 1));
        Test("two", () => Adapters.AsSpan(0, 2));
        Switch();
        Together();
    }

    private void Test(string name, Func<ReadOnlySpan<LoraAdapter>> adapters)
    {
        using var session = Open(adapters());
        session.Decode(Tokens[0]);
        Measure(name, 1, () => session.Rewind(0), () =>
        {
            foreach (var token in Tokens) session.Decode(token);
        });
    }

    private void Switch()
    {
        using var session = Open(Adapters.AsSpan(0, 1));
        Action run = () =>
        {
            for (var i = 0; i < Tokens.Length; i++)
            {
                session.Adapters.Clear();
                session.Adapters.Add(Adapters[i % Adapters.Length]);
                session.Decode(Tokens[i]);
            }
        };
        run();
        Measure("switch", 1, () => session.Rewind(0), run);
    }

    private void Together()
    {
        var sessions = new Session[SessionCount];
        var tokens = new int[SessionCount];
        for (var i = 0; i < sessions.Length; i++) sessions[i] = Open(Adapters.AsSpan(i, 1));
        using var batch = new Batch(sessions);
        Action rewind = () =>
        {
            foreach (var session in sessions) session.Rewind(0);
        };
        batch.Decode(tokens);
        Measure("batch8", SessionCount, rewind, () =>
        {
            foreach (var token in Tokens)
            {
                Array.Fill(tokens, token);
                batch.Decode(tokens);
            }
        });
        Measure("alone8", SessionCount, rewind, () =>
        {
            foreach (var session in sessions)
                foreach (var token in Tokens) session.Decode(token);
        });
        foreach (var session in sessions) session.Dispose();
    }

    private Session Open(ReadOnlySpan<LoraAdapter> adapters)
    {
        var session = Model.CreateSession(new SessionOptions { ContextLength = Tokens.Length, KeepCache = true });
        session.Adapters.Clear();
        foreach (var adapter in adapters) session.Adapters.Add(adapter);
        return session;
    }

    private void Measure(string name, int sessions, Action reset, Action test) =>
        Report.Test($"decode{Tokens.Length}-{name}", TestRuns.Measure(sessions * Tokens.Length, RepetitionCount, reset, test));
}
