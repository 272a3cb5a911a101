using System.IO.Hashing;
using System.Runtime.InteropServices;
using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>Group <c>model</c>: a real model gives the same logits, to the last bit, with each instruction set, any number of threads and any chunks.</summary>
internal static class ModelChecks
{
    private const int PromptLength = 6, DecodedCount = 2;

    public static void Run(Report report, Arguments arguments)
    {
        List<CheckedModel> models = [];
        report.Run("model", "model and adapters are there", () =>
            models = CheckedModel.Find(arguments.ModelFolder ?? throw new CheckSkippedException("no --model DIR")));
        foreach (var model in models)
        {
            ulong twin = 0;
            report.Run("model", InstructionSet.Scalar, model.Name, () => twin = Checksum(model, InstructionSet.Scalar, threadCount: 1, chunkLength: PromptLength));
            report.Note($"{model.Name}: XXH3-64 of the logits 0x{twin:x16}");
            foreach (var set in InstructionSet.All)
            {
                if (set == InstructionSet.Scalar)
                    continue;
                foreach (var (threads, chunk) in ((int, int)[])[(1, PromptLength), (2, 1), (3, 4)])
                    report.Run("model", set, $"{model.Name} with {threads} threads in chunks of {chunk} equals the twin", () =>
                    {
                        ulong actual = Checksum(model, set, threads, chunk);
                        if (actual != twin)
                            throw new CheckFailedException($"checksum 0x{actual:x16}, the twin's 0x{twin:x16}");
                    });
            }
        }
    }

    /// <summary>XXH3-64 of all logits: of the base model, and with two adapters at scales of both signs.</summary>
    private static ulong Checksum(CheckedModel checkedModel, InstructionSet set, int threadCount, int chunkLength)
    {
        using var model = checkedModel.Open(set, threadCount);
        if (model.InstructionSet != set)
            throw new CheckFailedException($"the model uses {model.InstructionSet}");
        var hash = new XxHash3();
        AddLogits(hash, model, chunkLength);

        var adapters = checkedModel.LoadAdapters();
        (adapters[0].Scale, adapters[1].Scale) = (0.75f, -0.5f);
        foreach (var adapter in adapters)
            model.ApplyLoraAdapter(adapter);
        AddLogits(hash, model, chunkLength);
        foreach (var adapter in adapters)
            model.RemoveLoraAdapter(adapter);
        foreach (var adapter in adapters)
            adapter.Dispose();
        return hash.GetCurrentHashAsUInt64();
    }

    private static void AddLogits(XxHash3 hash, Model model, int chunkLength)
    {
        using var session = model.CreateSession(new SessionOptions { ContextLength = PromptLength + DecodedCount, ChunkLength = chunkLength });
        Span<int> prompt = stackalloc int[PromptLength];
        for (int i = 0; i < prompt.Length; i++)
            prompt[i] = (17 + 101 * i) % model.Shape.VocabularySize;
        var logits = new float[PromptLength * model.Shape.VocabularySize];
        session.Prefill(prompt, logits);
        hash.Append(MemoryMarshal.AsBytes(logits.AsSpan()));
        for (int i = 0; i < DecodedCount; i++)
            hash.Append(MemoryMarshal.AsBytes(session.Decode((5 + 211 * i) % model.Shape.VocabularySize)));
    }
}
