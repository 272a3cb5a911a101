using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// The two orders of a head's rows in the matrices of queries and keys. In <see cref="RotaryLayout.Halves"/> the rotation pairs rows i and
/// i + HeadSize / 2, in <see cref="RotaryLayout.Interleaved"/> rows 2i and 2i + 1; the numbers are the same.
/// </summary>
internal static class RotaryRows
{
    /// <summary>Where a row of one order stands in the other.</summary>
    /// <param name="row">A row of the order that is not <paramref name="source"/>, counted over all heads.</param>
    /// <param name="headSize">Rows of a head, an even number.</param>
    /// <param name="source">The order whose row is wanted.</param>
    public static int Source(int row, int headSize, RotaryLayout source)
    {
        var inHead = row % headSize;
        var half = headSize / 2;
        return row - inHead + (source == RotaryLayout.Halves ? inHead % 2 * half + inHead / 2 : inHead % half * 2 + inHead / half);
    }
}
