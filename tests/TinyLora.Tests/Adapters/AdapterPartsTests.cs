using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>What adapters do beside adding B A: in mixed batches, without garbage, with the cache, and where two get in each other's way.</summary>
public class AdapterPartsTests
{
    private const string Folder = "golden/peft";

    private static readonly string[] s_unlike = ["dora-embed", "dora-head-untied", "save-lm-head-untied", "save-embed-untied", "tokens-dict-untied-both", "lora-bias-no-base-bias", "alora-all", "lora-embed-untied", "lora-head-untied", ""];
    private static readonly int[] s_prompt = [5, 9, 33, 200, 17, 18, 7, 44, 45, 8];

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(3)]
    public void Rows_with_unlike_parts_equal_single_runs_bit_for_bit(int threads)
    {
        using var model = Open("llama-plain", threads);
        var (sessions, adapters) = Sessions(model);
        var alone = sessions.Select(session => session.Prefill(s_prompt).ToArray()).ToArray();
        Assert.Equal(s_unlike.Length, alone.Select(logits => string.Join(' ', logits)).Distinct().Count());
        foreach (var session in sessions) session.Rewind(s_prompt.Length - 1);
        // A token decoded is none of the prompt, but the invocation tokens stand before it.
        using (var batch = new Batch(sessions))
        {
            batch.Decode(Enumerable.Repeat(s_prompt[^1], sessions.Length).ToArray());
            for (var row = 0; row < sessions.Length; row++) Assert.Equal(alone[row], batch.Logits(row).ToArray());
            foreach (var session in sessions) session.Rewind(0);
            batch.Prefill([.. Enumerable.Repeat(s_prompt, sessions.Length).SelectMany(prompt => prompt)], [.. Enumerable.Repeat(s_prompt.Length, sessions.Length)]);
            for (var row = 0; row < sessions.Length; row++) Assert.Equal(alone[row], batch.Logits(row).ToArray());
        }
        Dispose(sessions, adapters);
    }

    [SkippableFact]
    public void Steps_and_changes_of_scale_allocate_nothing()
    {
        using var model = Open("llama-plain", 1);
        var (sessions, adapters) = Sessions(model);
        using var batch = new Batch(sessions);
        foreach (var session in sessions) session.Prefill(s_prompt);
        var tokens = new int[sessions.Length];
        for (var i = 0; i < 3; i++) batch.Decode(tokens);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++)
        {
            adapters[i % adapters.Count].Scale = i % 3 * 0.5f;
            tokens[i % tokens.Length] = 9 * i;
            batch.Decode(tokens);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Dispose(sessions, adapters);
    }

    [SkippableFact]
    public void Invocation_tokens_are_looked_for_in_the_prompt_and_what_lies_before_stays_the_base()
    {
        using var model = Open("llama-plain", 1);
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/alora-all"));
        Assert.Equal([17, 18], adapter.InvocationTokens);
        using var session = model.CreateSession();
        int[] first = [5, 17, 18, 7], second = [9, 17, 18, 30];
        var plain = session.Prefill(first).ToArray();
        session.Adapters.Add(adapter);
        Assert.Equal(Fresh(model, adapter, first, [7]), session.Decode(7).ToArray());
        session.Rewind(4);
        // Generated tokens do not invoke it: 17 18 decoded after the prompt leave the place where it was.
        int[] generated = [17, 18, 40];
        float[] logits = [];
        foreach (var token in generated) logits = session.Decode(token).ToArray();
        Assert.Equal(Fresh(model, adapter, first, generated), logits);
        // A new prompt moves the place, and the rows between the places become the base's.
        session.Rewind(4);
        Assert.Equal(Fresh(model, adapter, [.. first, .. second], []), session.Prefill(second).ToArray());
        session.Rewind(1);
        Assert.Equal(Fresh(model, null, [5, 18, 7], []), session.Prefill([18, 7]).ToArray());
        session.Adapters.Remove(adapter);
        session.Rewind(0);
        Assert.Equal(plain, session.Prefill(first).ToArray());
    }

    [SkippableFact]
    public void Two_adapters_cannot_replace_the_same_tensor()
    {
        using var model = Open("llama-plain", 1);
        using var one = new LoraAdapter(Shared.Path($"{Folder}/adapters/save-lm-head-untied"));
        using var other = new LoraAdapter(Shared.Path($"{Folder}/adapters/save-lm-head-untied"));
        Assert.Equal(["lm_head.weight"], one.Replaces);
        model.ApplyLoraAdapter(one);
        Assert.Contains("lm_head.weight", Assert.Throws<InvalidOperationException>(() => model.ApplyLoraAdapter(other)).Message);
        Assert.Single(model.Adapters);
        Assert.True(model.RemoveLoraAdapter(one));
        model.ApplyLoraAdapter(other);
        Assert.True(model.RemoveLoraAdapter(other));
    }

    [SkippableTheory]
    [InlineData("llama-tied", "save-lm-head-tied", "tokens-dict-tied")]
    [InlineData("llama-tied", "tokens-dict-tied", "save-lm-head-tied")]
    [InlineData("llama-plain", "save-lm-head-untied", "save-lm-head-untied")]
    public void What_a_set_refuses_a_merge_refuses_too(string name, string first, string second)
    {
        // Rows of an embedding are rows of the head that is tied to it.
        var output = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using var one = new LoraAdapter(Shared.Path($"{Folder}/adapters/{first}"));
        using var other = new LoraAdapter(Shared.Path($"{Folder}/adapters/{second}"));
        using var model = Open(name, 1);
        model.ApplyLoraAdapter(one);
        var message = Assert.Throws<InvalidOperationException>(() => model.ApplyLoraAdapter(other)).Message;
        Assert.Contains("both replace", message);
        Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => AdapterMerge.Merge(model.Path, [one, other], output)).Message);
        Assert.False(Path.Exists(output));
        other.Scale = 0;
        AdapterMerge.Merge(model.Path, [one, other], output);
        Directory.Delete(output, recursive: true);
    }

    [SkippableFact]
    public void A_copy_of_another_base_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory("copy").FullName;
        foreach (var file in Directory.GetFiles(Shared.Path($"{Folder}/adapters/lora-head-untied"), "adapter_*")) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        var path = Path.Combine(folder, "adapter_model.safetensors");
        var bytes = File.ReadAllBytes(path);
        var header = System.Text.Encoding.UTF8.GetString(bytes, 8, BitConverter.ToInt32(bytes));
        using var json = System.Text.Json.JsonDocument.Parse(header);
        var at = json.RootElement.GetProperty("base_model.model.lm_head.base_layer.weight").GetProperty("data_offsets")[0].GetInt32() + 8 + header.Length;
        BitConverter.TryWriteBytes(bytes.AsSpan(at), 0.5f);
        File.WriteAllBytes(path, bytes);
        using var model = Open("llama-plain", 1);
        using var adapter = new LoraAdapter(folder);
        Assert.Contains("lm_head.base_layer.weight", Assert.Throws<InvalidDataException>(() => model.ApplyLoraAdapter(adapter)).Message);
        Directory.Delete(folder, recursive: true);
    }

    [SkippableTheory]
    [InlineData("llama-plain", "dora-embed", "dora-all-rslora", "save-lm-head-untied", "save-embed-untied", "tokens-dict-untied-both", "lora-bias-no-base-bias", "alora-all", "lora-embed-untied", "lora-head-untied")]
    [InlineData("llama-biases", "bias-all", "bias-lora-only", "lora-bias", "dora-bias")]
    [InlineData("llama-tied", "save-both-tied", "tokens-dict-tied", "lora-embed-tied-ensured")]
    [InlineData("qwen3", "save-embed-qwen3")]
    public void An_adapter_saved_for_PEFT_does_the_same(string name, params string[] adapters)
    {
        using var model = Open(name, 1);
        var folder = Directory.CreateTempSubdirectory("saved").FullName;
        foreach (var each in adapters)
        {
            using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/{each}"));
            adapter.SavePeft(folder);
            using var saved = new LoraAdapter(folder);
            Assert.Equal((adapter.ParameterCount, adapter.IsDora), (saved.ParameterCount, saved.IsDora));
            Assert.Equal(adapter.Replaces, saved.Replaces);
            Assert.Equal(Fresh(model, adapter, s_prompt, [9]), Fresh(model, saved, s_prompt, [9]));
        }
        Directory.Delete(folder, recursive: true);
    }

    [SkippableFact]
    public void What_GGUF_has_no_place_for_is_refused_when_saving()
    {
        using var model = Open("llama-plain", 1);
        using var adapter = new LoraAdapter(Shared.Path($"{Folder}/adapters/dora-all-rslora"));
        Assert.True(adapter.IsDora);
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        Assert.Contains("lora_magnitude_vector", Assert.Throws<InvalidOperationException>(() => adapter.SaveGguf(path, model.Shape)).Message);
        Assert.False(File.Exists(path));
    }

    private static float[] Fresh(Model model, LoraAdapter? adapter, int[] prompt, int[] generated)
    {
        using var session = model.CreateSession();
        if (adapter != null) session.Adapters.Add(adapter);
        var logits = session.Prefill(prompt).ToArray();
        foreach (var token in generated) logits = session.Decode(token).ToArray();
        return logits;
    }

    private static (Session[] Sessions, List<LoraAdapter> Adapters) Sessions(Model model)
    {
        var adapters = new List<LoraAdapter>();
        var sessions = s_unlike.Select(name =>
        {
            var session = model.CreateSession();
            if (name.Length == 0) return session;
            adapters.Add(new LoraAdapter(Shared.Path($"{Folder}/adapters/{name}")));
            session.Adapters.Add(adapters[^1]);
            return session;
        }).ToArray();
        return (sessions, adapters);
    }

    private static void Dispose(Session[] sessions, List<LoraAdapter> adapters)
    {
        foreach (var session in sessions) session.Dispose();
        foreach (var adapter in adapters) adapter.Dispose();
    }

    private static Model Open(string name, int threads) => Model.Open(Shared.Path($"{Folder}/models/{name}"), new ModelOptions { ThreadCount = threads });
}
