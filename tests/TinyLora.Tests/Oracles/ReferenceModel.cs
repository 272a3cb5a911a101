using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Tests.Oracles;

/// <summary>A model's numbers in double, decoded one by one, to be changed as an adapter's formula says.</summary>
internal sealed unsafe class ReferenceModel
{
    private readonly Dictionary<(WeightKind, int), double[][]> _matrices = [];
    private readonly Dictionary<(WeightKind, int), double[]> _vectors = [];
    private readonly Dictionary<(WeightKind, int), double[]> _biases = [];

    public ReferenceModel(ModelWeights model)
    {
        Model = model;
        Add(WeightKind.Embedding, 0, model.Embedding);
        Add(WeightKind.Head, 0, model.Head);
        Add(WeightKind.FinalNorm, 0, model.FinalNorm, model.Shape.HiddenSize);
        for (var layer = 0; layer < model.Layers.Length; layer++)
        {
            var weights = model.Layers[layer];
            Add(WeightKind.AttentionNorm, layer, weights.AttentionNorm, model.Shape.HiddenSize);
            Add(WeightKind.MlpNorm, layer, weights.MlpNorm, model.Shape.HiddenSize);
            Add(WeightKind.QueryNorm, layer, weights.QueryNorm, model.Shape.HeadSize);
            Add(WeightKind.KeyNorm, layer, weights.KeyNorm, model.Shape.HeadSize);
            Add(WeightKind.Query, layer, weights.Query);
            Add(WeightKind.Key, layer, weights.Key);
            Add(WeightKind.Value, layer, weights.Value);
            Add(WeightKind.Output, layer, weights.Output);
            Add(WeightKind.Gate, layer, weights.Gate);
            Add(WeightKind.Up, layer, weights.Up);
            Add(WeightKind.Down, layer, weights.Down);
        }
    }

    public ModelWeights Model { get; }

    /// <summary>[Rows][Columns]</summary>
    public double[][] Matrix(WeightKind kind, int layer) => _matrices[(kind, layer)];

    /// <summary>A norm, or null where the model has none.</summary>
    public double[]? Vector(WeightKind kind, int layer) => _vectors.GetValueOrDefault((kind, layer));

    /// <summary>[Rows], or null where there is none.</summary>
    public double[]? Bias(WeightKind kind, int layer) => _biases.GetValueOrDefault((kind, layer));

    public void SetMatrix(WeightKind kind, int layer, double[][] matrix) => _matrices[(kind, layer)] = matrix;

    public void SetVector(WeightKind kind, int layer, double[] vector) => _vectors[(kind, layer)] = vector;

    public void SetBias(WeightKind kind, int layer, double[] bias) => _biases[(kind, layer)] = bias;

    private void Add(WeightKind kind, int layer, in Linear matrix)
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
        _matrices.Add((kind, layer), rows);
        if (matrix.Bias != null) Add(_biases, kind, layer, matrix.Bias, matrix.Rows);
    }

    private void Add(WeightKind kind, int layer, float* vector, int size)
    {
        if (vector != null) Add(_vectors, kind, layer, vector, size);
    }

    private static void Add(Dictionary<(WeightKind, int), double[]> to, WeightKind kind, int layer, float* vector, int size)
    {
        var values = new double[size];
        for (var i = 0; i < size; i++) values[i] = vector[i];
        to.Add((kind, layer), values);
    }
}
