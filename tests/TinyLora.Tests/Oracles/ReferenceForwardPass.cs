using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Tests.Oracles;

/// <summary>
/// The transformer as the papers write it, in double, over weights decoded number by number; activations are not rounded.
/// Slow, and shares only the decoding with the runtime.
/// </summary>
internal static unsafe class ReferenceForwardPass
{
    /// <summary>Logits of all positions, [tokens, VocabularySize].</summary>
    public static double[][] Logits(ModelWeights model, ReadOnlySpan<int> tokens)
    {
        var shape = model.Shape;
        var embedding = Decode(model.Embedding);
        var stream = new double[tokens.Length][];
        for (var t = 0; t < tokens.Length; t++) stream[t] = [.. embedding[tokens[t]]];
        for (var layer = 0; layer < shape.LayerCount; layer++)
        {
            var weights = model.Layers[layer];
            var normed = stream.Select(x => Norm(x, weights.AttentionNorm, shape.RmsNormEpsilon)).ToArray();
            var query = Heads(Multiply(weights.Query, normed), weights.QueryNorm, model, shape.HeadCount, rotate: true);
            var key = Heads(Multiply(weights.Key, normed), weights.KeyNorm, model, shape.KeyValueHeadCount, rotate: true);
            var value = Multiply(weights.Value, normed);
            var window = layer >= shape.SlidingWindowFirstLayer ? shape.SlidingWindow : 0;
            Add(stream, Multiply(weights.Output, Attend(query, key, value, shape, window)));
            normed = stream.Select(x => Norm(x, weights.MlpNorm, shape.RmsNormEpsilon)).ToArray();
            var (gate, up) = (Multiply(weights.Gate, normed), Multiply(weights.Up, normed));
            for (var t = 0; t < gate.Length; t++)
                for (var i = 0; i < gate[t].Length; i++) gate[t][i] *= up[t][i] / (1 + Math.Exp(-gate[t][i]));
            Add(stream, Multiply(weights.Down, gate));
        }
        return Multiply(model.Head, stream.Select(x => Norm(x, model.FinalNorm, shape.RmsNormEpsilon)).ToArray());
    }

    private static double[] Norm(double[] x, float* weight, double epsilon)
    {
        var factor = 1 / Math.Sqrt(x.Sum(value => value * value) / x.Length + epsilon);
        var result = new double[x.Length];
        for (var i = 0; i < x.Length; i++) result[i] = x[i] * factor * weight[i];
        return result;
    }

    private static double[][] Heads(double[][] rows, float* norm, ModelWeights model, int count, bool rotate)
    {
        var size = model.Shape.HeadSize;
        for (var t = 0; t < rows.Length; t++)
            for (var h = 0; h < count; h++)
            {
                var head = rows[t][(h * size)..((h + 1) * size)];
                if (norm != null) head = Norm(head, norm, model.Shape.RmsNormEpsilon);
                if (rotate) Rotate(head, t, model);
                head.CopyTo(rows[t], h * size);
            }
        return rows;
    }

    private static void Rotate(double[] head, int position, ModelWeights model)
    {
        var half = head.Length / 2;
        for (var i = 0; i < half; i++)
        {
            var (a, b) = model.Shape.RotaryLayout == RotaryLayout.Halves ? (i, i + half) : (2 * i, 2 * i + 1);
            var (sin, cos) = Math.SinCos(position * model.RotaryFrequencies[i]);
            (sin, cos) = (sin * model.RotaryMagnitude, cos * model.RotaryMagnitude);
            (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
        }
    }

    private static double[][] Attend(double[][] query, double[][] key, double[][] value, ModelShape shape, int window)
    {
        var size = shape.HeadSize;
        var result = new double[query.Length][];
        for (var t = 0; t < query.Length; t++)
        {
            result[t] = new double[shape.QuerySize];
            var first = window == 0 ? 0 : Math.Max(0, t - window + 1);
            for (var h = 0; h < shape.HeadCount; h++)
            {
                var shared = h / (shape.HeadCount / shape.KeyValueHeadCount) * size;
                var scores = new double[t - first + 1];
                for (var s = first; s <= t; s++)
                {
                    var dot = 0.0;
                    for (var i = 0; i < size; i++) dot += query[t][h * size + i] * key[s][shared + i];
                    scores[s - first] = dot / Math.Sqrt(size);
                }
                var max = scores.Max();
                var sum = scores.Sum(score => Math.Exp(score - max));
                for (var s = first; s <= t; s++)
                    for (var i = 0; i < size; i++) result[t][h * size + i] += Math.Exp(scores[s - first] - max) / sum * value[s][shared + i];
            }
        }
        return result;
    }

    private static double[][] Multiply(in Linear matrix, double[][] inputs)
    {
        var rows = Decode(matrix);
        var result = new double[inputs.Length][];
        for (var t = 0; t < inputs.Length; t++)
        {
            result[t] = new double[rows.Length];
            for (var r = 0; r < rows.Length; r++)
            {
                var sum = matrix.Bias == null ? 0.0 : matrix.Bias[r];
                for (var c = 0; c < inputs[t].Length; c++) sum += rows[r][c] * inputs[t][c];
                result[t][r] = sum;
            }
        }
        return result;
    }

    private static double[][] Decode(in Linear matrix)
    {
        var rows = new double[matrix.Rows][];
        var values = new float[matrix.Columns];
        var rowBytes = matrix.Type.ByteCount(matrix.Columns);
        fixed (float* to = values)
            for (var r = 0; r < rows.Length; r++)
            {
                Conversions.Decode(matrix.Type, matrix.Weights + r * rowBytes, to, matrix.Columns);
                rows[r] = [.. values.Select(value => (double)value)];
            }
        return rows;
    }

    private static void Add(double[][] stream, double[][] values)
    {
        for (var t = 0; t < stream.Length; t++)
            for (var i = 0; i < stream[t].Length; i++) stream[t][i] += values[t][i];
    }
}
