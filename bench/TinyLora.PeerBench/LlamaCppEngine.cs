using System.Diagnostics;
using System.Reflection;
using LLama.Native;

namespace TinyLora.PeerBench;

/// <summary>
/// Measures llama.cpp in this process by the rules of <see cref="EngineReport"/>, with the settings of its own llama-bench: a context as
/// long as the test, logical batches of 2,048 tokens in physical ones of 512, flash attention where it chooses, weights mapped, keys and
/// values in float16.
/// </summary>
internal sealed class LlamaCppEngine(EngineArguments arguments, TextWriter output)
{
    private static readonly string? PackageVersion = typeof(LlamaCppEngine).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .FirstOrDefault(metadata => metadata.Key == "LLamaSharpVersion")?.Value;

    private readonly EngineReportWriter _report = new(output);
    private readonly Random _random = new(1);
    private string _errors = "";
    // An adapter lives as long as its model, and dies with it.
    private LoraAdapter? _adapter;

    public void Run()
    {
        NativeLogConfig.llama_log_set((level, message) =>
        {
            if (level == LLamaLogLevel.Error)
                _errors += message;
        });
        NativeApi.llama_empty_call();
        _report.WriteEngine($"llama.cpp (LLamaSharp.Backend.Cpu {PackageVersion})", LoadedLibrary());
        long startBytes = ResidentMemory.Current;
        int firstLength = arguments.PromptLengths.FirstOrDefault(1);

        // The first load of a process also compiles the bindings: not llama.cpp's doing, so its time is taken at the second.
        using (var warm = Load())
        using (var context = Open(warm, firstLength))
            Prefill(context, RandomPrompt(context, firstLength));

        long start = Stopwatch.GetTimestamp();
        using var model = Load();
        using (var context = Open(model, firstLength))
        {
            Prefill(context, RandomPrompt(context, firstLength));
            _report.WriteTest("first-token", firstLength, [Stopwatch.GetElapsedTime(start).TotalSeconds]);
        }

        foreach (int length in arguments.PromptLengths)
        {
            using var context = Open(model, length);
            var prompt = RandomPrompt(context, length);
            Prefill(context, prompt);
            _report.WriteTest($"prefill{length}", length, Repeat(context, () => Prefill(context, prompt)));
        }
        if (arguments.GenerateLength is var generated and > 0)
        {
            using var context = Open(model, generated);
            var tokens = RandomTokens(context, generated);
            Decode(context, tokens.AsSpan(0, 1));
            _report.WriteTest($"decode{generated}", generated, Repeat(context, () => Decode(context, tokens)));
        }
        _report.WriteMemory(startBytes, ResidentMemory.Peak);
    }

    private SafeLlamaModelHandle Load()
    {
        var parameters = LLamaModelParams.Default();
        parameters.n_gpu_layers = 0;
        var model = SafeLlamaModelHandle.LoadFromFile(arguments.Model, parameters);
        // Before the first context: the room for its graph nodes is reserved there.
        _adapter = arguments.Adapter == null ? null : model.LoadLoraFromFile(arguments.Adapter);
        // The bindings give an adapter even where llama.cpp gave none, and using it would end the process.
        return _errors.Length == 0 ? model : throw new InvalidDataException(_errors.Trim());
    }

    private SafeLLamaContextHandle Open(SafeLlamaModelHandle model, int length)
    {
        var parameters = LLamaContextParams.Default();
        parameters.n_ctx = (uint)length;
        parameters.n_batch = 2048;
        parameters.n_ubatch = 512;
        parameters.n_threads = arguments.ThreadCount;
        parameters.n_threads_batch = arguments.ThreadCount;
        var context = model.CreateContext(parameters);
        if (_adapter != null)
            context.SetLoraAdapters([(_adapter, arguments.AdapterScale)]);
        return context;
    }

    private LLamaToken[] RandomTokens(SafeLLamaContextHandle context, int length)
    {
        int vocabularySize = context.Vocab.Count;
        var tokens = new LLamaToken[length];
        for (int i = 0; i < length; i++)
            tokens[i] = _random.Next(vocabularySize);
        return tokens;
    }

    private LLamaBatch RandomPrompt(SafeLLamaContextHandle context, int length)
    {
        var batch = new LLamaBatch();
        var tokens = RandomTokens(context, length);
        for (int position = 0; position < length; position++)
            batch.Add(tokens[position], position, LLamaSeqId.Zero, position == length - 1);
        return batch;
    }

    private double[] Repeat(SafeLLamaContextHandle context, Action test)
    {
        var seconds = new double[arguments.RepetitionCount];
        for (int i = 0; i < seconds.Length; i++)
        {
            context.MemoryClear(true);
            long start = Stopwatch.GetTimestamp();
            test();
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return seconds;
    }

    private static void Prefill(SafeLLamaContextHandle context, LLamaBatch prompt)
    {
        Check(context.Decode(prompt));
        context.Synchronize();
    }

    private static void Decode(SafeLLamaContextHandle context, ReadOnlySpan<LLamaToken> tokens)
    {
        var batch = new LLamaBatch();
        for (int position = 0; position < tokens.Length; position++)
        {
            batch.Clear();
            batch.Add(tokens[position], position, LLamaSeqId.Zero, true);
            Check(context.Decode(batch));
            context.Synchronize();
        }
    }

    /// <summary>The folder of the CPU library in use, which is named for its instruction set.</summary>
    private static string LoadedLibrary()
    {
        var line = File.ReadLines("/proc/self/maps").FirstOrDefault(line => line.Contains("libggml-cpu", StringComparison.Ordinal));
        return line == null ? "unknown" : Path.GetFileName(Path.GetDirectoryName(line)!);
    }

    private static void Check(DecodeResult result)
    {
        if (result != DecodeResult.Ok)
            throw new InvalidOperationException($"llama_decode: {result}");
    }
}
