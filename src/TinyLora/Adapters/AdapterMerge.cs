using TinyLora.Errors;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Writes a model with adapters merged into its weights, requantised where these are quantised.</summary>
public static class AdapterMerge
{
    /// <summary>W becomes W + Scale · Scaling · B A, adapter after adapter; DoRA's gain, biases, saved modules and token rows as at inference.</summary>
    /// <remarks>
    /// A head that is tied to the embedding stays so where adapters change both alike; else the new model has a head of its own. Blocks of weights that no adapter changes keep their bytes, unless
    /// a type is given.
    /// </remarks>
    /// <param name="model">A GGUF file or a Hugging Face folder.</param>
    /// <param name="adapters">Each with its <see cref="LoraAdapter.Scale"/>; those at 0 change nothing.</param>
    /// <param name="output">A file for a file, a folder for a folder; must not exist.</param>
    /// <param name="type">The type of all matrices, and of a folder's norms and biases; null: each keeps its own. A folder holds F32, F16 and BF16 only.</param>
    /// <param name="cancellation">Ends it; nothing is left then.</param>
    /// <returns>The tensors whose numbers changed or were stored anew, in the order of the file, and what rounding added to each.</returns>
    /// <exception cref="ArgumentException">There are no adapters, or a folder was to hold quantised matrices.</exception>
    /// <exception cref="InvalidOperationException">Two adapters replace the same tensor of the base.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="IOException">The output exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">
    /// An adapter does not fit, or what it does has no place in the base's tensors: invocation tokens; a bias where the base's form has none; rows that are no whole number of blocks of the type;
    /// a result that is not finite.
    /// </exception>
    public static IReadOnlyList<MergedTensor> Merge(string model, ReadOnlySpan<LoraAdapter> adapters, string output, ElementType? type = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        ArgumentException.ThrowIfNullOrEmpty(output);
        if (adapters.Length == 0) throw new ArgumentException("There are no adapters.", nameof(adapters));
        foreach (var adapter in adapters) ArgumentNullException.ThrowIfNull(adapter, nameof(adapters));
        if (File.Exists(output) || Directory.Exists(output)) throw new IOException($"{output} is there already.");
        using var weights = ModelWeights.Open(model);
        if (weights.Folder != null && type is { } quantized && quantized.IsQuantized())
            throw new ArgumentException($"A Hugging Face folder holds F32, F16 or BF16, not {quantized}: merge into a GGUF file of the model for that.", nameof(type));
        var held = 0;
        try
        {
            // In use, so that no one disposes them meanwhile.
            for (; held < adapters.Length; held++) adapters[held].AddUse();
            var before = new List<LoraAdapter>();
            var active = new List<(AdapterContent Content, float Scale)>();
            foreach (var adapter in adapters)
            {
                adapter.CheckFits(weights);
                var (content, scale) = (adapter.Content, adapter.Scale);
                if (scale == 0) continue;
                if (content.InvocationTokens.Length > 0)
                    Throw.BadFile(content.Path, "invocation tokens", $"[{string.Join(", ", content.InvocationTokens)}]", "none: merged weights act on every token, these only after an invocation; use this adapter beside its base, unmerged");
                foreach (var other in before) other.RefuseConflict(adapter, weights.Shape);
                before.Add(adapter);
                active.Add((content, scale));
            }
            return Write(weights, new MergePlan(weights, active.Select(part => part.Content), type), new TensorMerger(weights, active), output, type, cancellation);
        }
        finally
        {
            while (held > 0) adapters[--held].ReleaseUse();
        }
    }

    private static List<MergedTensor> Write(ModelWeights weights, MergePlan plan, TensorMerger merger, string output, ElementType? type, CancellationToken cancellation)
    {
        var unfinished = $"{output.TrimEnd(Path.DirectorySeparatorChar)}.{Environment.ProcessId}.unfinished";
        var report = new List<MergedTensor>();
        void WriteData(Stream stream, int tensor)
        {
            cancellation.ThrowIfCancellationRequested();
            if (MergedRows.Write(stream, plan.Tensors[tensor], merger, cancellation) is { } changed) report.Add(changed);
        }
        try
        {
            if (weights.Gguf is { } gguf)
            {
                MergedGguf.Write(unfinished, gguf, plan, type, WriteData);
                cancellation.ThrowIfCancellationRequested();
                File.Move(unfinished, output);
                return report;
            }
            Directory.CreateDirectory(unfinished);
            MergedFolder.Write(unfinished, weights.Folder!, weights.Metadata, plan, type, WriteData);
            cancellation.ThrowIfCancellationRequested();
            Directory.Move(unfinished, output);
            return report;
        }
        catch
        {
            if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
            File.Delete(unfinished);
            throw;
        }
    }
}
