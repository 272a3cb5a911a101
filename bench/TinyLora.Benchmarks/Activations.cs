using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Benchmarks;

/// <summary>Random rows of activations in the form that a format's kernels take.</summary>
internal static unsafe class Activations
{
    public static int RowBytes(ElementType format, int columns) =>
        format.IsQuantized() ? QuantizedRow.Bytes(columns) : ((columns + 7) & ~7) * sizeof(float);

    public static AlignedBuffer Make(ElementType format, int columns, int count)
    {
        var random = new Random(2);
        int rowBytes = RowBytes(format, columns);
        var rows = new AlignedBuffer((long)rowBytes * count);
        using var floats = AlignedBuffer.OfFloats(columns);
        for (int row = 0; row < count; row++)
        {
            for (int k = 0; k < columns; k++)
                floats.Floats[k] = 4 * random.NextSingle() - 2;
            if (format.IsQuantized())
                QuantizedRow.Quantize(floats.Floats, rows.Pointer + row * rowBytes, columns);
            else
                Buffer.MemoryCopy(floats.Floats, rows.Pointer + row * rowBytes, rowBytes, columns * sizeof(float));
        }
        return rows;
    }
}
