using System.Globalization;

namespace TinyLora.PeerBench;

/// <summary>
/// What one child process measures. The same command line starts llama.cpp's child and ours:
/// <c>-m MODEL [-a ADAPTER[:SCALE]] --threads N [--prompt N]... [--generate N] --repetitions N --json</c>; ours also takes <c>--sets</c>.
/// </summary>
internal sealed record EngineArguments
{
    public required string Model { get; init; }
    /// <summary>Path of an adapter, or null for the base model.</summary>
    public string? Adapter { get; init; }
    public float AdapterScale { get; init; } = 1f;
    public required int ThreadCount { get; init; }
    /// <summary>Lengths of the prompts to prefill, tokens.</summary>
    public IReadOnlyList<int> PromptLengths { get; init; } = [];
    /// <summary>Tokens to decode one by one; 0: none.</summary>
    public int GenerateLength { get; init; }
    public required int RepetitionCount { get; init; }
    /// <summary>Whether to decode with other sets of adapters too, and eight sessions together: llama.cpp's adapters are its context's, so only ours does.</summary>
    public bool AdapterSets { get; init; }

    public string[] ToCommandLine()
    {
        var arguments = new List<string> { "-m", Model };
        if (Adapter != null)
            arguments.AddRange(["-a", string.Create(CultureInfo.InvariantCulture, $"{Adapter}:{AdapterScale}")]);
        arguments.AddRange(["--threads", Text(ThreadCount)]);
        foreach (int length in PromptLengths)
            arguments.AddRange(["--prompt", Text(length)]);
        if (GenerateLength > 0)
            arguments.AddRange(["--generate", Text(GenerateLength)]);
        arguments.AddRange(["--repetitions", Text(RepetitionCount), "--json"]);
        if (AdapterSets) arguments.Add("--sets");
        return [.. arguments];

        static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
    }

    /// <exception cref="ArgumentException">An option is unknown, lacks its value or is missing.</exception>
    public static EngineArguments Parse(ReadOnlySpan<string> args)
    {
        var options = new CommandLine(args, flags: ["--json"], values: ["-m", "-a", "--threads", "--prompt", "--generate", "--repetitions"]);
        var adapter = options.Last("-a");
        float scale = 1f;
        if (adapter != null && adapter.LastIndexOf(':') is var colon and > 0
            && float.TryParse(adapter.AsSpan(colon + 1), CultureInfo.InvariantCulture, out float given))
            (adapter, scale) = (adapter[..colon], given);
        return new EngineArguments
        {
            Model = options.Required("-m"),
            Adapter = adapter,
            AdapterScale = scale,
            ThreadCount = options.Number("--threads", 1),
            PromptLengths = [.. options.Numbers("--prompt")],
            GenerateLength = options.Number("--generate", 0),
            RepetitionCount = options.Number("--repetitions", 1),
        };
    }
}
