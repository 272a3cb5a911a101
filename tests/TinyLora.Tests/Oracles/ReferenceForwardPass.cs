using TinyLora.Weights;

namespace TinyLora.Tests.Oracles;

/// <summary>
/// The transformer as the papers write it, in double, over weights decoded number by number; activations are not rounded.
/// Slow, and shares only the decoding with the runtime.
/// </summary>
internal static class ReferenceForwardPass
{
    /// <summary>Logits of all positions, [tokens, VocabularySize].</summary>
    public static double[][] Logits(ModelWeights model, ReadOnlySpan<int> tokens)
    {
        var reference = new ReferenceModel(model);
        return Logits(_ => reference, tokens);
    }

    /// <summary>Logits of all positions where each position's row is computed by weights of its own; keys and values are those that each position made.</summary>
    public static double[][] Logits(Func<int, ReferenceModel> weightsAt, ReadOnlySpan<int> tokens)
    {
        var at = new ReferenceModel[tokens.Length];
        for (var t = 0; t < at.Length; t++) at[t] = weightsAt(t);
        var model = at[0].Model;
        var shape = model.Shape;
        var stream = new double[tokens.Length][];
        for (var t = 0; t < tokens.Length; t++) stream[t] = [.. at[t].Matrix(WeightKind.Embedding, 0)[tokens[t]]];
        for (var layer = 0; layer < shape.LayerCount; layer++)
        {
            var normed = Norm(at, WeightKind.AttentionNorm, layer, stream);
            var query = Heads(at, Multiply(at, WeightKind.Query, layer, normed), WeightKind.QueryNorm, layer, shape.HeadCount);
            var key = Heads(at, Multiply(at, WeightKind.Key, layer, normed), WeightKind.KeyNorm, layer, shape.KeyValueHeadCount);
            var value = Multiply(at, WeightKind.Value, layer, normed);
            var window = layer >= shape.SlidingWindowFirstLayer ? shape.SlidingWindow : 0;
            Add(stream, Multiply(at, WeightKind.Output, layer, Attend(query, key, value, shape, window)));
            normed = Norm(at, WeightKind.MlpNorm, layer, stream);
            var (gate, up) = (Multiply(at, WeightKind.Gate, layer, normed), Multiply(at, WeightKind.Up, layer, normed));
            for (var t = 0; t < gate.Length; t++)
                for (var i = 0; i < gate[t].Length; i++) gate[t][i] *= up[t][i] / (1 + Math.Exp(-gate[t][i]));
            Add(stream, Multiply(at, WeightKind.Down, layer, gate));
        }
        return Multiply(at, WeightKind.Head, 0, Norm(at, WeightKind.FinalNorm, 0, stream));
    }

    private static double[][] Norm(ReferenceModel[] at, WeightKind kind, int layer, double[][] rows) =>
        [.. rows.Select((x, t) => Norm(x, at[t].Vector(kind, layer)!, at[t].Model.Shape.RmsNormEpsilon))];

    private static double[] Norm(double[] x, double[] weight, double epsilon)
    {
        var factor = 1 / Math.Sqrt(x.Sum(value => value * value) / x.Length + epsilon);
        var result = new double[x.Length];
        for (var i = 0; i < x.Length; i++) result[i] = x[i] * factor * weight[i];
        return result;
    }

    private static double[][] Heads(ReferenceModel[] at, double[][] rows, WeightKind norm, int layer, int count)
    {
        var shape = at[0].Model.Shape;
        var size = shape.HeadSize;
        for (var t = 0; t < rows.Length; t++)
            for (var h = 0; h < count; h++)
            {
                var head = rows[t][(h * size)..((h + 1) * size)];
                if (at[t].Vector(norm, layer) is { } weight) head = Norm(head, weight, shape.RmsNormEpsilon);
                Rotate(head, t, at[0].Model);
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

    private static double[][] Multiply(ReferenceModel[] at, WeightKind kind, int layer, double[][] inputs)
    {
        var result = new double[inputs.Length][];
        for (var t = 0; t < inputs.Length; t++)
        {
            var (rows, bias) = (at[t].Matrix(kind, layer), at[t].Bias(kind, layer));
            result[t] = new double[rows.Length];
            for (var r = 0; r < rows.Length; r++)
            {
                var sum = bias == null ? 0.0 : bias[r];
                for (var c = 0; c < inputs[t].Length; c++) sum += rows[r][c] * inputs[t][c];
                result[t][r] = sum;
            }
        }
        return result;
    }

    private static void Add(double[][] stream, double[][] values)
    {
        for (var t = 0; t < stream.Length; t++)
            for (var i = 0; i < stream[t].Length; i++) stream[t][i] += values[t][i];
    }
}
