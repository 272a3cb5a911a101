using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Writes a model with adapters merged into its weights: the base's file or folder copied, each changed tensor in its own type, requantised where that is quantised.</summary>
public static class AdapterMerge
{
    /// <summary>W becomes W + Scale · Scaling · B A, adapter after adapter; DoRA's gain, biases, saved modules and token rows as at inference.</summary>
    /// <param name="model">A GGUF file or a Hugging Face folder.</param>
    /// <param name="adapters">Each with its <see cref="LoraAdapter.Scale"/>; those at 0 change nothing.</param>
    /// <param name="output">A file for a file, a folder for a folder; must not exist.</param>
    /// <returns>The changed tensors in the order of the file, and what rounding added to each.</returns>
    /// <exception cref="ArgumentException">There are no adapters.</exception>
    /// <exception cref="IOException">The output exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">
    /// An adapter does not fit, or what it does has no place in the base's tensors: invocation tokens; a bias where the base has none; one side of a head that is tied to the embedding; DoRA on
    /// the embedding; a K type, which cannot be requantised here; a result that is not finite.
    /// </exception>
    public static IReadOnlyList<MergedTensor> Merge(string model, ReadOnlySpan<LoraAdapter> adapters, string output)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        ArgumentException.ThrowIfNullOrEmpty(output);
        if (adapters.Length == 0) throw new ArgumentException("There are no adapters.", nameof(adapters));
        if (File.Exists(output) || Directory.Exists(output)) throw new IOException($"{output} is there already.");
        using var weights = ModelWeights.Open(model);
        var held = 0;
        try
        {
            // In use, so that no one disposes them meanwhile.
            for (; held < adapters.Length; held++) adapters[held].AddUse();
            return Write(weights, new TensorMerger(weights, adapters), output);
        }
        finally
        {
            while (held > 0) adapters[--held].ReleaseUse();
        }
    }

    private static List<MergedTensor> Write(ModelWeights weights, TensorMerger merger, string output)
    {
        var changed = merger.Plan();
        var unfinished = output.TrimEnd(Path.DirectorySeparatorChar) + ".unfinished";
        var report = new List<MergedTensor>();
        try
        {
            if (weights.Folder is not { } folder)
            {
                File.Copy(weights.Path, unfinished, overwrite: true);
                foreach (var (tensor, place) in changed) report.Add(Patch(unfinished, tensor, place, merger));
                File.Move(unfinished, output);
                return report;
            }
            Directory.CreateDirectory(unfinished);
            foreach (var file in Directory.GetFiles(folder)) File.Copy(file, Path.Combine(unfinished, Path.GetFileName(file)), overwrite: true);
            foreach (var (tensor, place) in changed) report.Add(Patch(Path.Combine(unfinished, Path.GetFileName(tensor.Path)), tensor, place, merger));
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

    private static unsafe MergedTensor Patch(string path, TensorEntry tensor, TensorPlace place, TensorMerger merger)
    {
        var type = tensor.Type!.Value;
        var columns = (int)tensor.Shape[tensor.Shape.Count - 1];
        var rows = tensor.ElementCount / columns;
        var bytes = new byte[type.ByteCount(columns)];
        using var memory = AlignedBuffer.OfFloats(2L * columns);
        var row = memory.Floats;
        var rounded = row + columns;
        double square = 0, distance = 0;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write);
        stream.Position = tensor.Offset;
        merger.Begin(place);
        fixed (byte* to = bytes)
            for (var r = 0; r < rows; r++)
            {
                Conversions.Decode(type, tensor.Data + r * (nint)bytes.Length, row, columns);
                merger.Row(place, r, row, columns);
                BlockEncoder.Encode(type, row, to, columns);
                Conversions.Decode(type, to, rounded, columns);
                for (var k = 0; k < columns; k++)
                {
                    if (!float.IsFinite(rounded[k])) Throw.BadFile(tensor.Path, tensor.Name, $"{row[k]} after the merge", $"a finite number that {type} can hold");
                    square += (double)row[k] * row[k];
                    distance += ((double)row[k] - rounded[k]) * ((double)row[k] - rounded[k]);
                }
                stream.Write(bytes);
            }
        return new MergedTensor(tensor.Name, type, square == 0 ? 0 : Math.Sqrt(distance / square));
    }
}
