using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TinyLora.Numerics;

namespace TinyLora.Kernels;

/// <summary>
/// One query head over its cached keys and values: softmax(q · K^T / sqrt(HeadSize)) V. Scores run a position a lane, channels in order; the sum of
/// weights in eight lanes, position mod 8; the output a channel a lane, positions in order: no bit depends on how the prompt was cut.
/// </summary>
internal static unsafe class Attention
{
    /// <param name="query">[headSize]</param>
    /// <param name="keys">[capacity / 8][headSize][8]: eight positions side by side.</param>
    /// <param name="values">[capacity][valueStride]</param>
    /// <param name="first">First position that is seen.</param>
    /// <param name="last">Last position that is seen: the query's own.</param>
    /// <param name="headSize">Channels.</param>
    /// <param name="valueStride">headSize rounded up to 8.</param>
    /// <param name="scale">1 / sqrt(headSize)</param>
    /// <param name="scores">Room for last + 1 numbers, rounded up to 32.</param>
    /// <param name="output">[headSize] with room for valueStride.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Head(float* query, float* keys, float* values, int first, int last, int headSize, int valueStride, float scale, float* scores, float* output)
    {
        if (LinkedKernels.HasAvx2)
        {
            LinkedKernels.Attend(query, keys, values, first, last, headSize, valueStride, scale, scores, output);
            return;
        }
        var firstGroup = first / 8;
        var endGroup = last / 8 + 1;
        Scores(query, keys, firstGroup, endGroup, headSize, scale, scores);

        // Lanes outside [first, last] hold what the cache happened to hold: they must not count.
        for (var j = 8 * firstGroup; j < first; j++) scores[j] = float.NegativeInfinity;
        for (var j = last + 1; j < 8 * endGroup; j++) scores[j] = float.NegativeInfinity;
        var largest = Vector256.Create(float.NegativeInfinity);
        for (var g = firstGroup; g < endGroup; g++) largest = Vector256.Max(largest, Vector256.Load(scores + 8 * g));
        var max = float.NegativeInfinity;
        for (var i = 0; i < 8; i++) max = MathF.Max(max, largest[i]);

        var lanes = Vector256<float>.Zero;
        for (var g = firstGroup; g < endGroup; g++)
        {
            var s = Vector256.Load(scores + 8 * g);
            var seen = Vector256.GreaterThan(s, Vector256.Create(float.NegativeInfinity));
            var e = Vector256.ConditionalSelect(seen, Elementary.Exp(s - Vector256.Create(max)), Vector256<float>.Zero);
            Vector256.Store(e, scores + 8 * g);
            lanes += e;
        }
        Combine(values, first, last, valueStride, scores, 1f / Lanes.Sum(lanes), output);
    }

    // Four groups of eight positions at once hide the latency of the sums over channels.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scores(float* query, float* keys, int firstGroup, int endGroup, int headSize, float scale, float* scores)
    {
        var scales = Vector256.Create(scale);
        nint groupFloats = 8 * headSize;
        var g = firstGroup;
        for (; g + 4 <= endGroup; g += 4)
        {
            var (s0, s1, s2, s3) = (Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero);
            var k = keys + g * groupFloats;
            for (var c = 0; c < headSize; c++, k += 8)
            {
                var q = Vector256.Create(query[c]);
                s0 = Vector256.FusedMultiplyAdd(q, Vector256.Load(k), s0);
                s1 = Vector256.FusedMultiplyAdd(q, Vector256.Load(k + groupFloats), s1);
                s2 = Vector256.FusedMultiplyAdd(q, Vector256.Load(k + 2 * groupFloats), s2);
                s3 = Vector256.FusedMultiplyAdd(q, Vector256.Load(k + 3 * groupFloats), s3);
            }
            Vector256.Store(s0 * scales, scores + 8 * g);
            Vector256.Store(s1 * scales, scores + 8 * g + 8);
            Vector256.Store(s2 * scales, scores + 8 * g + 16);
            Vector256.Store(s3 * scales, scores + 8 * g + 24);
        }
        for (; g < endGroup; g++)
        {
            var s = Vector256<float>.Zero;
            var k = keys + g * groupFloats;
            for (var c = 0; c < headSize; c++, k += 8) s = Vector256.FusedMultiplyAdd(Vector256.Create(query[c]), Vector256.Load(k), s);
            Vector256.Store(s * scales, scores + 8 * g);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Combine(float* values, int first, int last, int valueStride, float* weights, float inverse, float* output)
    {
        var c = 0;
        for (; c + 32 <= valueStride; c += 32)
        {
            var (o0, o1, o2, o3) = (Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero);
            var v = values + (nint)first * valueStride + c;
            for (var j = first; j <= last; j++, v += valueStride)
            {
                var w = Vector256.Create(weights[j]);
                o0 = Vector256.FusedMultiplyAdd(w, Vector256.Load(v), o0);
                o1 = Vector256.FusedMultiplyAdd(w, Vector256.Load(v + 8), o1);
                o2 = Vector256.FusedMultiplyAdd(w, Vector256.Load(v + 16), o2);
                o3 = Vector256.FusedMultiplyAdd(w, Vector256.Load(v + 24), o3);
            }
            var i = Vector256.Create(inverse);
            Vector256.Store(o0 * i, output + c);
            Vector256.Store(o1 * i, output + c + 8);
            Vector256.Store(o2 * i, output + c + 16);
            Vector256.Store(o3 * i, output + c + 24);
        }
        for (; c < valueStride; c += 8)
        {
            var o = Vector256<float>.Zero;
            var v = values + (nint)first * valueStride + c;
            for (var j = first; j <= last; j++, v += valueStride) o = Vector256.FusedMultiplyAdd(Vector256.Create(weights[j]), Vector256.Load(v), o);
            Vector256.Store(o * Vector256.Create(inverse), output + c);
        }
    }
}
