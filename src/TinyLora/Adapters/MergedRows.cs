using TinyLora.Errors;
using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>Writes a tensor of a merged model and measures what its type loses.</summary>
internal static unsafe class MergedRows
{
    private const int CopyBytes = 16 << 20;

    /// <returns>What became of it, or null where its bytes are the base's.</returns>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidDataException">A number is not finite after the merge, or too large for the type.</exception>
    public static MergedTensor? Write(Stream stream, PlannedTensor tensor, TensorMerger merger, CancellationToken cancellation)
    {
        var source = tensor.Source;
        if (!tensor.IsChanged && source != null && source.Type == tensor.Type)
        {
            for (var at = 0L; at < source.ByteCount; at += CopyBytes)
            {
                cancellation.ThrowIfCancellationRequested();
                stream.Write(new ReadOnlySpan<byte>(source.Data + at, (int)Math.Min(CopyBytes, source.ByteCount - at)));
            }
            return null;
        }
        var (type, columns) = (tensor.Type!.Value, tensor.Columns);
        var bytes = new byte[type.ByteCount(columns)];
        var sourceBytes = source == null ? 0 : (nint)source.Type!.Value.ByteCount(columns);
        using var memory = AlignedBuffer.OfFloats(3L * columns);
        var row = memory.Floats;
        var original = row + columns;
        var rounded = original + columns;
        double square = 0, distance = 0, change = 0;
        if (tensor.IsChanged) merger.Begin(tensor.Place!.Value, columns);
        fixed (byte* to = bytes)
            for (var r = 0; r < tensor.Rows; r++)
            {
                cancellation.ThrowIfCancellationRequested();
                new Span<float>(original, columns).Clear();
                if (source != null) Conversions.Decode(source.Type!.Value, source.Data + r * sourceBytes, original, columns);
                new ReadOnlySpan<float>(original, columns).CopyTo(new Span<float>(row, columns));
                if (tensor.IsChanged) merger.Row(tensor.Place!.Value, r, row, columns);
                BlockEncoder.Encode(type, row, to, columns);
                if (source?.Type == type) Keep(type, original, row, source.Data + r * sourceBytes, to, columns);
                Conversions.Decode(type, to, rounded, columns);
                for (var k = 0; k < columns; k++)
                {
                    if (!float.IsFinite(row[k]) || !float.IsFinite(rounded[k])) Throw.BadFile(tensor.File, tensor.Name, $"{row[k]} after the merge", $"a finite number that {type} can hold");
                    square += (double)row[k] * row[k];
                    distance += ((double)row[k] - rounded[k]) * ((double)row[k] - rounded[k]);
                    change += ((double)row[k] - original[k]) * ((double)row[k] - original[k]);
                }
                stream.Write(bytes);
            }
        if (square == 0) square = 1;
        return new MergedTensor(tensor.Name, type, Math.Sqrt(distance / square), Math.Sqrt(change / square));
    }

    /// <summary>Blocks that did not change keep their bytes: nothing is rounded twice.</summary>
    private static void Keep(ElementType type, float* original, float* row, byte* from, byte* to, int columns)
    {
        var (size, bytes) = (type.BlockSize(), type.BlockBytes());
        for (var k = 0; k < columns; k += size, from += bytes, to += bytes)
            if (new ReadOnlySpan<byte>(original + k, size * sizeof(float)).SequenceEqual(new ReadOnlySpan<byte>(row + k, size * sizeof(float)))) Buffer.MemoryCopy(from, to, bytes, bytes);
    }
}
