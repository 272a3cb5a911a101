using TinyLora.PeerBench;

const string Usage = """
    TinyLora.PeerBench compare -m MODEL... [--tinylora PROGRAM] [-o FOLDER] [--rounds N] [--rank N] [--threads N]... [--prompt N]... [--generate N] [--wait SECONDS]
    TinyLora.PeerBench adapter -m MODEL [--rank N] [-o FOLDER]
    TinyLora.PeerBench machine [--threads N]...
    TinyLora.PeerBench llama   -m MODEL [-a ADAPTER[:SCALE]] --threads N [--prompt N]... [--generate N] --repetitions N --json

    compare measures llama.cpp and the published program 'tinylora' in turn and writes peers.md and peers.json into FOLDER.
    With --wait each process waits, so long at most, until other programs leave the processors alone.
    MODEL is a GGUF file; adapter writes the random adapter that compare uses; llama is compare's child process.
    """;

try
{
    switch (args.FirstOrDefault())
    {
        case "compare":
            Compare(args.AsSpan(1));
            return 0;
        case "adapter":
            WriteAdapter(args.AsSpan(1));
            return 0;
        case "machine":
            MeasureMachine(args.AsSpan(1));
            return 0;
        case "llama":
            new LlamaCppEngine(EngineArguments.Parse(args.AsSpan(1)), Console.Out).Run();
            return 0;
        default:
            throw new ArgumentException("say what to do");
    }
}
catch (ArgumentException wrong)
{
    Console.Error.WriteLine($"TinyLora.PeerBench: {wrong.Message}\n\n{Usage}");
    return 2;
}
catch (Exception failure) when (failure is IOException or InvalidDataException or InvalidOperationException)
{
    Console.Error.WriteLine($"TinyLora.PeerBench: {failure.Message}");
    return 1;
}

static void Compare(ReadOnlySpan<string> args)
{
    var options = new CommandLine(args, flags: [], values: ["-m", "--tinylora", "-o", "--rounds", "--rank", "--threads", "--prompt", "--generate", "--wait"]);
    options.Required("-m");
    var comparison = new Comparison
    {
        Models = [.. options.All("-m")],
        TinyLoraPath = options.Last("--tinylora"),
        RoundCount = options.Number("--rounds", 5),
        Rank = options.Number("--rank", 16),
        ThreadCounts = Numbers("--threads", [1, 2]),
        PromptLengths = Numbers("--prompt", [128, 512]),
        GenerateLength = options.Number("--generate", 64),
        Patience = TimeSpan.FromSeconds(options.Number("--wait", 0)),
    };
    var work = Directory.CreateTempSubdirectory("peerbench");
    try
    {
        comparison.Run(work.FullName, Console.Error);
    }
    finally
    {
        work.Delete(recursive: true);
    }

    MarkdownResult.Write(Console.Out, comparison);
    if (options.Last("-o") is { } folder)
    {
        Directory.CreateDirectory(folder);
        using var markdown = File.CreateText(Path.Combine(folder, "peers.md"));
        MarkdownResult.Write(markdown, comparison);
        using var json = File.Create(Path.Combine(folder, "peers.json"));
        JsonResult.Write(json, comparison);
    }

    int[] Numbers(string name, int[] otherwise) => options.Numbers(name).Any() ? [.. options.Numbers(name)] : otherwise;
}

static void WriteAdapter(ReadOnlySpan<string> args)
{
    var options = new CommandLine(args, flags: [], values: ["-m", "--rank", "-o"]);
    var (gguf, peft) = RandomAdapter.Write(options.Required("-m"), options.Last("-o") ?? ".", options.Number("--rank", 16));
    Console.WriteLine(gguf);
    Console.WriteLine(peft);
}

static void MeasureMachine(ReadOnlySpan<string> args)
{
    var options = new CommandLine(args, flags: [], values: ["--threads"]);
    var machine = new MachineFacts();
    int[] threadCounts = options.Numbers("--threads").Any() ? [.. options.Numbers("--threads")] : [1, 2];
    foreach (int threads in threadCounts)
        machine.Measure(threads);
    foreach (var (what, threads, median) in machine.Limits)
        Console.WriteLine($"{what}, {threads} threads: {median:0.0}");
}
