namespace TinyLora.PeerBench;

/// <summary>llama.cpp and TinyLora in turn, each in a process of its own, round by round over all settings.</summary>
internal sealed class Comparison
{
    /// <summary>A model smaller than this is measured several times a process: one test of it takes milliseconds.</summary>
    private const long SmallModelBytes = 20_000_000;
    private const int SmallModelRepetitions = 20;

    public required IReadOnlyList<string> Models { get; init; }
    /// <summary>TinyLora's published program; null: llama.cpp alone.</summary>
    public required string? TinyLoraPath { get; init; }
    public required int RoundCount { get; init; }
    public required int Rank { get; init; }
    public required IReadOnlyList<int> ThreadCounts { get; init; }
    public required IReadOnlyList<int> PromptLengths { get; init; }
    public required int GenerateLength { get; init; }
    /// <summary>How long to wait, before each process, for a machine that does nothing else.</summary>
    public required TimeSpan Patience { get; init; }

    public MachineFacts Machine { get; } = new();
    public List<Setting> Settings { get; } = [];

    /// <param name="workFolder">Where the adapters are written.</param>
    /// <param name="progress">Receives a line a round.</param>
    public void Run(string workFolder, TextWriter progress)
    {
        var own = TinyLoraPath == null ? null : EngineProcess.TinyLora(TinyLoraPath);
        var adapters = Models.ToDictionary(model => model, model => RandomAdapter.Write(model, workFolder, Rank));
        foreach (var model in Models)
            foreach (int rank in (int[])[0, Rank])
                foreach (int threads in ThreadCounts)
                    Settings.Add(new Setting(model, rank, threads) { AdapterBytes = rank == 0 ? 0 : new FileInfo(Path.Combine(adapters[model].Peft, "adapter_model.safetensors")).Length });

        double othersSeconds = 0, seconds = 0;
        for (int round = 1; round <= RoundCount; round++)
        {
            foreach (int threads in ThreadCounts)
                Machine.Measure(threads);
            foreach (var setting in Settings)
            {
                var (gguf, peft) = adapters[setting.ModelPath];
                setting.Peer.Add(Measure(EngineProcess.LlamaCpp, Arguments(setting, gguf)));
                if (own != null)
                    setting.Own.Add(Measure(own, Arguments(setting, peft) with { AdapterSets = setting.AdapterRank > 0 }));
            }
            progress.WriteLine($"round {round} of {RoundCount}");
        }
        Machine.OthersShare = othersSeconds / seconds;

        EngineReport Measure(EngineProcess engine, EngineArguments arguments)
        {
            ProcessorTime.WaitForQuiet(Patience);
            var start = ProcessorTime.Now();
            var report = engine.Measure(arguments);
            var used = ProcessorTime.Now() - start;
            (othersSeconds, seconds) = (othersSeconds + used.OthersSeconds, seconds + used.AllSeconds);
            return report;
        }
    }

    private EngineArguments Arguments(Setting setting, string adapter) => new()
    {
        Model = setting.ModelPath,
        Adapter = setting.AdapterRank == 0 ? null : adapter,
        ThreadCount = setting.ThreadCount,
        PromptLengths = PromptLengths,
        GenerateLength = GenerateLength,
        RepetitionCount = setting.ModelBytes < SmallModelBytes ? SmallModelRepetitions : 1,
    };
}
