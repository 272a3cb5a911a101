using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>DoRA's gain g = m / |W + c BA|, a number a row: y becomes b + g (W x + c B A x).</summary>
internal static unsafe class DoraGain
{
    // Far below the square of any norm, and still a normal number: others are slow.
    private const float SmallestSquare = 1e-30f;

    /// <summary>The gains of eight rows.</summary>
    /// <param name="magnitude">m</param>
    /// <param name="terms">Of the same projection.</param>
    /// <param name="row">The first row; vectors have room for a multiple of eight.</param>
    /// <param name="scale">c: the user's scale times the scaling.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Of(float* magnitude, in GainTerms terms, int row, float scale)
    {
        var c = Vector256.Create(scale);
        var squares = Vector256.FusedMultiplyAdd(c, Vector256.FusedMultiplyAdd(c, Vector256.Load(terms.Delta + row), Vector256.Create(2f) * Vector256.Load(terms.Cross + row)), Vector256.Load(terms.Base + row));
        // Rounding must not make a norm of nothing negative; and not 0, whose gain would be no number.
        return Vector256.Load(magnitude + row) / Vector256.Sqrt(Vector256.Max(squares, Vector256.Create(SmallestSquare)));
    }

    /// <summary>The terms of a projection's rows; the base's rows are decoded one by one.</summary>
    /// <param name="w">The base's matrix.</param>
    /// <param name="pair">A and B.</param>
    /// <param name="sources">The row of B for each row of W.</param>
    /// <param name="terms">Written: [Rows] each.</param>
    public static void OfRows(in Linear w, LoraPair pair, int[] sources, GainTerms terms)
    {
        var columns = w.Columns;
        using var memory = AlignedBuffer.OfFloats(((long)pair.Rank + 2) * columns + pair.B.Count);
        var a = memory.Floats;
        var row = a + pair.A.Count;
        var delta = row + columns;
        var b = delta + columns;
        Conversions.Decode(pair.A.Type, pair.A.Data, a, pair.A.Count);
        Conversions.Decode(pair.B.Type, pair.B.Data, b, pair.B.Count);
        var bytes = (nint)w.Type.ByteCount(columns);
        for (var r = 0; r < w.Rows; r++)
        {
            Conversions.Decode(w.Type, w.Weights + r * bytes, row, columns);
            new Span<float>(delta, columns).Clear();
            for (var j = 0; j < pair.Rank; j++) AddScaled(delta, a + (nint)j * columns, b[(nint)sources[r] * pair.Rank + j], columns);
            double square = 0, cross = 0, change = 0;
            for (var k = 0; k < columns; k++)
            {
                square += (double)row[k] * row[k];
                cross += (double)row[k] * delta[k];
                change += (double)delta[k] * delta[k];
            }
            (terms.Base[r], terms.Cross[r], terms.Delta[r]) = ((float)square, (float)cross, (float)change);
        }
    }

    /// <summary>The terms of the embedding's columns, over all tokens.</summary>
    public static void OfColumns(in Linear w, in EmbeddingLora lora)
    {
        var columns = w.Columns;
        using var memory = AlignedBuffer.OfFloats(2L * columns);
        var row = memory.Floats;
        var delta = row + columns;
        var sums = new double[3 * columns];
        var bytes = (nint)w.Type.ByteCount(columns);
        for (var token = 0; token < w.Rows; token++)
        {
            Conversions.Decode(w.Type, w.Weights + token * bytes, row, columns);
            new Span<float>(delta, columns).Clear();
            for (var j = 0; j < lora.Rank; j++) AddScaled(delta, lora.B + (nint)j * columns, lora.A[(nint)token * lora.Rank + j], columns);
            for (var k = 0; k < columns; k++)
            {
                sums[k] += (double)row[k] * row[k];
                sums[columns + k] += (double)row[k] * delta[k];
                sums[2 * columns + k] += (double)delta[k] * delta[k];
            }
        }
        for (var k = 0; k < columns; k++) (lora.Terms.Base[k], lora.Terms.Cross[k], lora.Terms.Delta[k]) = ((float)sums[k], (float)sums[columns + k], (float)sums[2 * columns + k]);
    }

    /// <summary>y += factor · x.</summary>
    public static void AddScaled(float* y, float* x, float factor, int count)
    {
        var k = 0;
        for (; k + 8 <= count; k += 8) Vector256.Store(Vector256.FusedMultiplyAdd(Vector256.Create(factor), Vector256.Load(x + k), Vector256.Load(y + k)), y + k);
        for (; k < count; k++) y[k] = MathF.FusedMultiplyAdd(factor, x[k], y[k]);
    }
}
