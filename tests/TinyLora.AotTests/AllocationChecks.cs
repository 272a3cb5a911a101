using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>Group <c>allocation</c>: after opening, no step takes managed memory, on this thread or any other.</summary>
internal static class AllocationChecks
{
    private const int StepsPerSwitch = 10, PromptLength = 70, Turns = 3;

    public static void Run(Report report, Arguments arguments)
    {
        List<CheckedModel> models = [];
        report.Run("allocation", "model and adapters are there", () =>
            models = CheckedModel.Find(arguments.ModelFolder ?? throw new CheckSkippedException("no --model DIR")));
        foreach (var checkedModel in models)
        {
            using var model = checkedModel.Open();
            using var session = model.CreateSession(new SessionOptions { ContextLength = PromptLength });
            var adapters = checkedModel.LoadAdapters();
            var set = model.InstructionSet;
            report.Note($"{checkedModel.Name}: kernels in use: {set}, {model.ThreadCount} threads");

            report.Run("allocation", set, $"{checkedModel.Name} prefill", () => Measure(() => Prefill(session)));
            foreach (var adapter in adapters)
                session.Adapters.Add(adapter);
            report.Run("allocation", set, $"{checkedModel.Name} decode with two adapters, scales changed at each step, one switched every {StepsPerSwitch}", () =>
                Measure(() => Decode(session, adapters, arguments.StepCount)));
            using var eight = new ChangingBatch(model, adapters);
            report.Run("allocation", set, $"{checkedModel.Name} {arguments.StepCount} steps of a batch of eight whose adapter sets and scales change at random", () =>
                Measure(() => eight.Decode(arguments.StepCount)));
            report.Run("allocation", set, $"{checkedModel.Name} text to tokens and back", () =>
            {
                var tokenizer = model.Tokenizer;
                var text = "The innkeeper said: \u201cWhat is LoRA?\u201d"u8.ToArray();
                var tokens = new int[text.Length + 1];
                var piece = new byte[256];
                Measure(() =>
                {
                    int count = tokenizer.Encode(text, tokens);
                    for (int i = 0; i < count; i++)
                        tokenizer.Decode(tokens[i], piece);
                });
            });
            session.Adapters.Clear();
            eight.Dispose();
            foreach (var adapter in adapters)
                adapter.Dispose();
        }
    }

    private static void Prefill(Session session)
    {
        session.Rewind(0);
        Span<int> prompt = stackalloc int[PromptLength];
        for (int i = 0; i < prompt.Length; i++)
            prompt[i] = (17 + 101 * i) % session.Model.Shape.VocabularySize;
        session.Prefill(prompt);
    }

    private static void Decode(Session session, LoraAdapter[] adapters, int stepCount)
    {
        for (int step = 0; step < stepCount; step++)
        {
            if (step % StepsPerSwitch == 0)
            {
                session.Rewind(0);
                if (!session.Adapters.Remove(adapters[0]))
                    session.Adapters.Add(adapters[0]);
            }
            adapters[0].Scale = step % 7 * 0.25f;
            adapters[1].Scale = step % 5 * -0.5f;
            session.Decode(step % session.Model.Shape.VocabularySize);
        }
    }

    /// <summary>
    /// Runs the work once to warm up and then measured: what it takes, it takes at each turn. Only once in a while the runtime takes memory for itself on a thread of its own, as
    /// when it compiles a method anew.
    /// </summary>
    private static void Measure(Action work)
    {
        work();
        for (int turn = 1; ; turn++)
        {
            long all = GC.GetTotalAllocatedBytes(precise: true);
            long own = GC.GetAllocatedBytesForCurrentThread();
            work();
            own = GC.GetAllocatedBytesForCurrentThread() - own;
            all = GC.GetTotalAllocatedBytes(precise: true) - all;
            if (own == 0 && all == 0)
                return;
            if (own != 0 || turn == Turns)
                throw new CheckFailedException($"{own} bytes allocated on this thread, {all} in all");
        }
    }
}
