using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// The numbers of a merge, row by row, adapter after adapter as at inference: what stands in for the base's first, then W ← g (W + c B A) with c = Scale · Scaling and, with DoRA,
/// g = m / |W + c B A| of the untouched base; without it g = 1.
/// </summary>
internal sealed unsafe class TensorMerger
{
    // As at inference: a norm of nothing gives a gain that is a number.
    private const double SmallestSquare = 1e-30;

    private readonly ModelWeights _weights;
    private readonly Share[] _shares;
    private double[] _delta = [];
    private float[] _original = [];

    /// <param name="weights">The base.</param>
    /// <param name="adapters">Each with its scale, none 0, checked against the base.</param>
    public TensorMerger(ModelWeights weights, IReadOnlyList<(AdapterContent Content, float Scale)> adapters)
    {
        _weights = weights;
        _shares = new Share[adapters.Count];
        for (var i = 0; i < _shares.Length; i++) _shares[i] = new Share(adapters[i].Content, adapters[i].Scale);
    }

    /// <summary>Prepares for the rows of a tensor.</summary>
    public void Begin(TensorPlace place, int columns)
    {
        if (_delta.Length < columns) (_delta, _original) = (new double[columns], new float[columns]);
        var hasBias = false;
        foreach (var share in _shares)
        {
            share.Gains = null;
            share.Take(PairOf(share.Content, place), share.Content.Find(AdapterPart.Magnitude, place.Kind, place.Layer));
            if (place.IsBias)
            {
                // g multiplies what earlier adapters have added to the output, their biases of B too.
                if (hasBias && share.Magnitude != null) share.Gains = RowGains(share, place);
                hasBias |= share.Content.Find(AdapterPart.BiasOfB, place.Kind, place.Layer) != null;
            }
            else if (place.Kind == WeightKind.Embedding && share.Magnitude != null)
            {
                share.Gains = ColumnGains(share, columns);
            }
        }
    }

    /// <summary>Merges one row in place.</summary>
    public void Row(TensorPlace place, int row, float* w, int columns)
    {
        // DoRA's norms are those of the untouched base.
        new ReadOnlySpan<float>(w, columns).CopyTo(_original);
        foreach (var share in _shares) Replace(share.Content, place, row, w, columns);
        if (place.IsBias)
        {
            AddBiases(place, w, columns);
            return;
        }
        foreach (var share in _shares)
        {
            if (share.Pair == null) continue;
            Delta(share, row, columns);
            var gain = share.Magnitude == null || share.Gains != null ? 1.0 : RowGain(share, row, columns);
            for (var k = 0; k < columns; k++) w[k] = (float)((share.Gains == null ? gain : share.Gains[k]) * (w[k] + _delta[k]));
        }
    }

    private void Replace(AdapterContent content, TensorPlace place, int row, float* w, int columns)
    {
        foreach (var tensor in content.Others)
        {
            if (!tensor.Replaces || !content.ActsOn(tensor, place.Kind, place.Layer, _weights.Shape) || tensor.Part == AdapterPart.Bias != place.IsBias) continue;
            var matrix = tensor.Matrix;
            if (place.IsBias || !WeightNames.IsMatrix(place.Kind))
            {
                for (var k = 0; k < columns; k++) w[k] = Number(matrix, 0, SourceOf(content, place.Kind, k));
                continue;
            }
            var source = tensor.Part == AdapterPart.TokenRows ? Array.IndexOf(tensor.Tokens, row) : SourceOf(content, place.Kind, row);
            if (source >= 0) Conversions.Decode(matrix.Type, matrix.Data + source * (nint)matrix.Type.ByteCount(columns), w, columns);
        }
    }

    private void AddBiases(TensorPlace place, float* w, int columns)
    {
        Array.Clear(_delta);
        foreach (var share in _shares)
        {
            if (share.Gains != null)
                for (var k = 0; k < columns; k++) _delta[k] *= share.Gains[k];
            if (share.Content.Find(AdapterPart.BiasOfB, place.Kind, place.Layer) is not { } bias) continue;
            for (var k = 0; k < columns; k++) _delta[k] += share.Factor * Number(bias.Matrix, 0, SourceOf(share.Content, place.Kind, k));
        }
        for (var k = 0; k < columns; k++) w[k] = (float)(w[k] + _delta[k]);
    }

    /// <summary>c B A of one row, into <see cref="_delta"/>.</summary>
    private void Delta(Share share, int row, int columns)
    {
        var (pair, a, b) = (share.Pair!, share.A, share.B);
        Array.Clear(_delta);
        var rank = pair.Rank;
        var source = SourceOf(share.Content, pair.Kind, row);
        for (var j = 0; j < rank; j++)
        {
            // The embedding's rows are tokens: its A is read by columns.
            if (pair.Kind == WeightKind.Embedding)
            {
                var t = share.Factor * a[j * (long)pair.A.Columns + row];
                for (var k = 0; k < columns; k++) _delta[k] += t * b[k * (long)rank + j];
                continue;
            }
            var factor = share.Factor * b[source * (long)rank + j];
            for (var k = 0; k < columns; k++) _delta[k] += factor * a[j * (long)columns + k];
        }
    }

    private double RowGain(Share share, int row, int columns)
    {
        var square = 0.0;
        for (var k = 0; k < columns; k++) square += (_original[k] + _delta[k]) * (_original[k] + _delta[k]);
        return Number(share.Magnitude!.Matrix, 0, SourceOf(share.Content, share.Pair!.Kind, row)) / Math.Sqrt(Math.Max(square, SmallestSquare));
    }

    /// <summary>[Rows]</summary>
    private double[] RowGains(Share share, TensorPlace place)
    {
        ref readonly var linear = ref PartBinder.LinearOf(_weights, place.Kind, place.Layer);
        var gains = new double[linear.Rows];
        var (delta, original) = (_delta, _original);
        (_delta, _original) = (new double[linear.Columns], new float[linear.Columns]);
        for (var row = 0; row < gains.Length; row++)
        {
            DecodeRow(linear, row);
            Delta(share, row, linear.Columns);
            gains[row] = RowGain(share, row, linear.Columns);
        }
        (_delta, _original) = (delta, original);
        return gains;
    }

    /// <summary>[HiddenSize]: the embedding's norms run over the vocabulary.</summary>
    private double[] ColumnGains(Share share, int columns)
    {
        ref readonly var linear = ref _weights.Embedding;
        var gains = new double[columns];
        for (var token = 0; token < linear.Rows; token++)
        {
            DecodeRow(linear, token);
            Delta(share, token, columns);
            for (var k = 0; k < columns; k++) gains[k] += (_original[k] + _delta[k]) * (_original[k] + _delta[k]);
        }
        for (var k = 0; k < columns; k++) gains[k] = Number(share.Magnitude!.Matrix, 0, k) / Math.Sqrt(Math.Max(gains[k], SmallestSquare));
        return gains;
    }

    private void DecodeRow(in Linear linear, int row)
    {
        fixed (float* to = _original) Conversions.Decode(linear.Type, linear.Weights + row * (nint)linear.Type.ByteCount(linear.Columns), to, linear.Columns);
    }

    private int SourceOf(AdapterContent content, WeightKind kind, int row) =>
        content.SourceRow(kind, row, _weights.Shape.RotaryLayout, _weights.Shape.HeadSize);

    private LoraPair? PairOf(AdapterContent content, TensorPlace place)
    {
        foreach (var pair in content.PairsFor(_weights.Shape))
            if (pair.Kind == place.Kind && pair.Layer == place.Layer) return pair;
        return null;
    }

    private static float Number(LoraMatrix matrix, int row, int column)
    {
        float number;
        Conversions.DecodeBlock(matrix.Type, matrix.Data + (row * (nint)matrix.Columns + column) * matrix.Type.BlockBytes(), &number);
        return number;
    }

    /// <summary>What one adapter does to the tensor at hand.</summary>
    private sealed class Share(AdapterContent content, float scale)
    {
        public AdapterContent Content { get; } = content;

        /// <summary>Null without LoRA on it.</summary>
        public LoraPair? Pair { get; private set; }

        /// <summary>[Rank, In]</summary>
        public float[] A { get; private set; } = [];

        /// <summary>[Out, Rank]</summary>
        public float[] B { get; private set; } = [];

        /// <summary>DoRA's m, or null.</summary>
        public AdapterTensor? Magnitude { get; private set; }

        /// <summary>DoRA's gains where they are not found row by row.</summary>
        public double[]? Gains { get; set; }

        /// <summary>The user's scale times the file's scaling.</summary>
        public double Factor => scale * (double)Pair!.Scaling;

        public void Take(LoraPair? pair, AdapterTensor? magnitude)
        {
            (Pair, Magnitude) = (pair, magnitude);
            if (pair == null) return;
            (A, B) = (Numbers(pair.A), Numbers(pair.B));
        }

        private static float[] Numbers(LoraMatrix matrix)
        {
            var numbers = new float[matrix.Count];
            fixed (float* to = numbers) Conversions.Decode(matrix.Type, matrix.Data, to, numbers.Length);
            return numbers;
        }
    }
}
