using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Kernels;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Laws;

/// <summary>
/// The same bits of logits by whatever way they are computed. One reference run a model (the best instruction set, one thread, chunks of 64, kernels whose sizes are parameters);
/// against it each instruction set, each number of threads and each length of a chunk is set at least once, not their product: a factor that changed a bit would show alone.
/// </summary>
public class OneArithmeticTests
{
    // More than one chunk of 64; the plain twin computes the first ones only: what follows a token changes nothing before it.
    private const int Tokens = 70, ScalarTokens = 9;

    public static TheoryData<string> Models()
    {
        var names = new TheoryData<string> { "lantern" };
        foreach (var lantern in new[] { "lantern/hf", "lantern/lantern-3m-Q4_K_M.gguf", "lantern/lantern-3m-F16.gguf" }) names.Add($"models/{lantern}");
        if (Shared.TryPath("golden/gguf/models") is { } files)
            foreach (var file in Directory.GetFiles(files, "*.gguf").Order(StringComparer.Ordinal))
                if (CoveredModels.Gguf(Path.GetFileNameWithoutExtension(file))) names.Add($"golden/gguf/models/{Path.GetFileName(file)}");
        if (Shared.TryPath("golden/peft/models") is { } folders)
            foreach (var folder in Directory.GetDirectories(folders).Order(StringComparer.Ordinal))
                if (CoveredModels.Folder(Path.GetFileName(folder))) names.Add($"golden/peft/models/{Path.GetFileName(folder)}");
        return names;
    }

    public static TheoryData<string> InstructionSets() => [.. InstructionSet.All.Select(set => set.Name)];

    [SkippableTheory]
    [MemberData(nameof(Models))]
    public void One_checksum(string name)
    {
        var path = name == "lantern" ? LanternFiles.Q8_0 : Shared.Path(name);
        var reference = Run(Model.Open(path, new ModelOptions { ThreadCount = 1 }), name, 64, Tokens);
        foreach (var set in InstructionSet.All)
            if (set.IsSupported) Same($"{set}, 2 threads, chunks of 7", set, 2, 7);
        foreach (var (threads, chunk) in new[] { (1, 1), (2, 64), (3, 7), (3, 1) }) Same($"{threads} threads, chunks of {chunk}", InstructionSet.Current, threads, chunk);

        void Same(string what, InstructionSet set, int threads, int chunk) =>
            Equal(reference, Run(Model.Open(path, new ModelOptions { InstructionSet = set, ThreadCount = threads }), name, chunk, set == InstructionSet.Scalar ? ScalarTokens : Tokens), what);
    }

    [SkippableTheory]
    [MemberData(nameof(InstructionSets))]
    public void Generated_kernels_give_the_bits_of_those_whose_sizes_are_parameters(string name)
    {
        var set = InstructionSet.All.Single(s => s.Name == name);
        Skip.IfNot(set.IsSupported, $"{name}: the machine does not have it.");
        var count = set == InstructionSet.Scalar ? ScalarTokens : Tokens;
        var reference = Run(Model.Open(LanternFiles.Q8_0, new ModelOptions { ThreadCount = 1 }), "lantern", 64, Tokens);
        foreach (var (threads, chunk) in new[] { (1, 64), (2, 7), (3, 1) })
            Equal(reference, Run(Lantern.Open(LanternFiles.Q8_0, new ModelOptions { InstructionSet = set, ThreadCount = threads }), "lantern", chunk, count), $"{threads} threads, chunks of {chunk}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_row_of_a_batch_is_the_session_alone(bool generated)
    {
        var options = new ModelOptions { ThreadCount = 2 };
        using var model = generated ? Lantern.Open(LanternFiles.Q8_0, options) : Model.Open(LanternFiles.Q8_0, options);
        using var pirate = LanternFiles.Adapter("pirate");
        using var grumpy = LanternFiles.Adapter("grumpy");
        using var commands = LanternFiles.Adapter("commands");
        grumpy.Scale = -0.5f;
        LoraAdapter[][] sets = [[], [pirate, grumpy], [commands], [], [grumpy, commands, pirate]];
        var together = new Session[sets.Length];
        var alone = new Session[sets.Length];
        for (var i = 0; i < sets.Length; i++)
        {
            together[i] = model.CreateSession(new SessionOptions { ContextLength = 64 });
            alone[i] = model.CreateSession(new SessionOptions { ContextLength = 64, ChunkLength = 1 });
            foreach (var adapter in sets[i])
            {
                together[i].Adapters.Add(adapter);
                alone[i].Adapters.Add(adapter);
            }
            // Places in the sequence differ; the session whose prompt is empty begins in the batch.
            if (i == 0) continue;
            together[i].Prefill(Prompt(model, 5 * i));
            alone[i].Prefill(Prompt(model, 5 * i));
        }
        using (var batch = new Batch(together))
        {
            var tokens = new int[sets.Length];
            for (var step = 0; step < 6; step++)
            {
                for (var i = 0; i < tokens.Length; i++) tokens[i] = (step * 131 + i * 17 + 3) % model.Shape.VocabularySize;
                batch.Decode(tokens);
                // In mid-way a scale changes: the batch computes those sessions' past again.
                if (step == 3) pirate.Scale = 0.25f;
                for (var i = 0; i < tokens.Length; i++)
                {
                    if (step == 3) continue;
                    var row = batch.Logits(i).ToArray();
                    while (alone[i].Position < together[i].Position - 1) alone[i].Decode(together[i].Tokens[alone[i].Position]);
                    Equal(alone[i].Decode(tokens[i]).ToArray(), row, $"step {step}, row {i}");
                }
            }
        }
        foreach (var session in together) session.Dispose();
        foreach (var session in alone) session.Dispose();
    }

    [Theory]
    [InlineData(1, new[] { 1, 30, 7, 64, 20 })]
    [InlineData(2, new[] { 100, 1, 128, 3, 129 })]
    public void A_prompt_of_a_batch_is_the_session_alone(int threads, int[] counts)
    {
        using var model = Lantern.Open(LanternFiles.Q8_0, new ModelOptions { ThreadCount = threads });
        using var pirate = LanternFiles.Adapter("pirate");
        using var grumpy = LanternFiles.Adapter("grumpy");
        LoraAdapter[][] sets = [[], [pirate, grumpy], [grumpy], [], [pirate]];
        var options = new SessionOptions { ContextLength = 300 };
        var together = sets.Select(_ => model.CreateSession(options)).ToArray();
        using var alone = model.CreateSession(options);
        for (var i = 0; i < sets.Length; i++)
            foreach (var adapter in sets[i]) together[i].Adapters.Add(adapter);
        using (var batch = new Batch(together))
        {
            var tokens = new List<int>();
            for (var i = 0; i < counts.Length; i++) tokens.AddRange(Prompt(model, 200).Skip(i).Take(counts[i]));
            batch.Prefill(tokens.ToArray(), counts);
            Check("prompt");
            batch.Decode([4, 5, 6, 7, 8]);
            Check("token");
            // Second prompts of other lengths, while one scale has changed: those pasts are computed again in the same passes.
            pirate.Scale = -0.5f;
            batch.Prefill(tokens.AsReadOnly().Take(25).ToArray(), [9, 1, 4, 5, 6]);
            Check("second prompt");

            void Check(string when)
            {
                for (var i = 0; i < sets.Length; i++)
                {
                    alone.Adapters.Clear();
                    foreach (var adapter in sets[i]) alone.Adapters.Add(adapter);
                    alone.Rewind(0);
                    Equal(alone.Prefill(together[i].Tokens).ToArray(), batch.Logits(i).ToArray(), $"{when}, row {i}");
                }
            }
        }
        foreach (var session in together) session.Dispose();
    }

    private static float[] Run(Model model, string name, int chunk, int count)
    {
        using (model)
        {
            count = Math.Min(count, model.Shape.ContextLength);
            var vocabulary = model.Shape.VocabularySize;
            var logits = new float[2 * count * vocabulary];
            var adapters = Adapters(name);
            using (var session = model.CreateSession(new SessionOptions { ContextLength = count, ChunkLength = chunk }))
            {
                // Rows in turn, base and two adapters at once: a shorter run is the beginning of a longer one.
                var rows = new float[count * vocabulary];
                for (var pass = 0; pass < 2; pass++)
                {
                    if (pass == 1)
                        foreach (var adapter in adapters) session.Adapters.Add(adapter);
                    session.Rewind(0);
                    session.Prefill(Prompt(model, count), rows);
                    for (var row = 0; row < count; row++) rows.AsSpan(row * vocabulary, vocabulary).CopyTo(logits.AsSpan((2 * row + pass) * vocabulary));
                }
            }
            foreach (var adapter in adapters) adapter.Dispose();
            return logits;
        }
    }

    private static LoraAdapter[] Adapters(string name)
    {
        if (name.Contains("lantern", StringComparison.Ordinal)) return [LanternFiles.Adapter("pirate"), LanternFiles.Adapter("commands")];
        var prefix = name.Contains("/llama-64", StringComparison.Ordinal) ? "l" : name.Contains("/qwen2-64", StringComparison.Ordinal) ? "q" : null;
        return prefix == null ? [] : [new LoraAdapter(Shared.Path($"golden/gguf/lora/{prefix}-r8-qv-f32.gguf"))];
    }

    private static int[] Prompt(Model model, int count)
    {
        var tokens = new int[count];
        for (var i = 0; i < count; i++) tokens[i] = (i * 37 + 3) % model.Shape.VocabularySize;
        return tokens;
    }

    private static void Equal(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.False(actual.IsEmpty);
        for (var i = 0; i < actual.Length; i++)
        {
            if (!float.IsFinite(actual[i])) Assert.Fail($"{what}: number {i} is {actual[i]}");
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i])) Assert.Fail($"{what}: number {i}: reference {expected[i]:R}, found {actual[i]:R}");
        }
    }
}
