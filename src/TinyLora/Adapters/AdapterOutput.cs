using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>What the writers of adapters share.</summary>
internal static unsafe class AdapterOutput
{
    private static int s_count;

    /// <summary>Writes a file beside its place and moves it there, so that no one sees a part of it.</summary>
    public static void Replace(string path, Action<Stream> write)
    {
        var unfinished = $"{path}.{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}.unfinished";
        try
        {
            using (var stream = new FileStream(unfinished, FileMode.Create, FileAccess.Write)) write(stream);
            File.Move(unfinished, path, overwrite: true);
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }

    public static void WriteA(Stream stream, LoraPair pair)
    {
        for (var row = 0; row < pair.A.Rows; row++) stream.Write(Row(pair.A, row));
    }

    /// <summary>Rows and columns exchanged.</summary>
    public static void WriteTurned(Stream stream, LoraMatrix matrix)
    {
        var size = matrix.Type.BlockBytes();
        var row = new byte[size * matrix.Rows];
        for (var c = 0; c < matrix.Columns; c++)
        {
            for (var r = 0; r < matrix.Rows; r++) new ReadOnlySpan<byte>(matrix.Data + (r * (long)matrix.Columns + c) * size, size).CopyTo(row.AsSpan(r * size));
            stream.Write(row);
        }
    }

    /// <summary>B with the rows of queries and keys in the order that the format wants.</summary>
    public static void WriteB(Stream stream, AdapterContent content, LoraPair pair, RotaryLayout layout, int headSize)
    {
        for (var row = 0; row < pair.B.Rows; row++) stream.Write(Row(pair.B, content.SourceRow(pair.Kind, row, layout, headSize)));
    }

    public static ReadOnlySpan<byte> Row(LoraMatrix matrix, int row)
    {
        var bytes = checked(matrix.Type.BlockBytes() * matrix.Columns);
        return new ReadOnlySpan<byte>(matrix.Data + (long)row * bytes, bytes);
    }
}
