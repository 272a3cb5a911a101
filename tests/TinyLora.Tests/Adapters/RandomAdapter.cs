using System.Text.Json.Nodes;
using TinyLora.Adapters;
using TinyLora.Tests.Files;
using TinyLora.Tests.Oracles;
using TinyLora.Weights;

namespace TinyLora.Tests.Adapters;

/// <summary>A folder of PEFT or mlx-lm with random numbers for any base, and the base's weights in double as the formulas say that it changes them.</summary>
internal sealed class RandomAdapter(ModelWeights model, int seed) : IDisposable
{
    private readonly Random _random = new(seed);
    private readonly List<(WeightKind Kind, int Layer, int Rank, float[] A, float[] B)> _pairs = [];
    private readonly List<(WeightKind Kind, int Layer, float[] Numbers)> _magnitudes = [], _biasesOfB = [], _biases = [], _saved = [];
    private readonly List<(WeightKind Kind, int[] Tokens, float[] Rows)> _tokenRows = [];
    private int[] _invocation = [];
    private double _alpha = 6;
    private bool _isMlx, _replacesBiases;

    public string Folder { get; } = Directory.CreateTempSubdirectory("random").FullName;

    public int Invocations => _invocation.Length;

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    public RandomAdapter Lora(WeightKind kind, int layer, int rank)
    {
        var (rows, columns) = SizeOf(kind, layer);
        if (kind == WeightKind.Embedding) (rows, columns) = (columns, rows);
        _pairs.Add((kind, layer, rank, Numbers(rank * columns, 1 / Math.Sqrt(kind == WeightKind.Embedding ? 8 : columns)), Numbers(rows * rank, 0.3)));
        return this;
    }

    /// <summary>LoRA on all projections of all layers, with ranks that differ.</summary>
    public RandomAdapter LoraOnAll()
    {
        for (var layer = 0; layer < model.Layers.Length; layer++)
            for (var kind = WeightKind.Query; kind <= WeightKind.Down; kind++) Lora(kind, layer, 1 + ((int)kind + layer) % 5);
        return this;
    }

    /// <summary>DoRA: magnitudes for all pairs so far.</summary>
    public RandomAdapter Magnitudes()
    {
        foreach (var (kind, layer, _, _, _) in _pairs)
        {
            var matrix = new ReferenceModel(model).Matrix(kind, layer);
            var norms = kind == WeightKind.Embedding
                ? matrix[0].Select((_, k) => Math.Sqrt(matrix.Sum(row => row[k] * row[k])))
                : Enumerable.Range(0, matrix.Length).Select(r => Math.Sqrt(matrix[RowOf(kind, r, inverse: true)].Sum(w => w * w)));
            _magnitudes.Add((kind, layer, [.. norms.Select(norm => (float)(norm * (0.7 + 0.6 * _random.NextDouble())))]));
        }
        return this;
    }

    /// <summary>lora_bias: for all pairs so far.</summary>
    public RandomAdapter BiasesOfB()
    {
        foreach (var (kind, layer, _, _, _) in _pairs) _biasesOfB.Add((kind, layer, Numbers(SizeOf(kind, layer).Rows, 0.2)));
        return this;
    }

    /// <summary>All biases that the base has.</summary>
    public RandomAdapter Biases()
    {
        _replacesBiases = true;
        for (var layer = 0; layer < model.Layers.Length; layer++)
            for (var kind = WeightKind.Query; kind <= WeightKind.Down; kind++) AddBias(kind, layer);
        return this;
    }

    public RandomAdapter WithoutBias(WeightKind kind, int layer)
    {
        _biases.RemoveAll(bias => bias.Kind == kind && bias.Layer == layer);
        return this;
    }

    /// <summary>A whole module: near the base's, so that the model stays one.</summary>
    public RandomAdapter Save(WeightKind kind, int layer)
    {
        var reference = new ReferenceModel(model);
        var numbers = WeightNames.IsMatrix(kind)
            ? reference.Matrix(kind, layer).SelectMany((_, r) => reference.Matrix(kind, layer)[RowOf(kind, r, inverse: true)])
            : reference.Vector(kind, layer)!;
        _saved.Add((kind, layer, [.. numbers.Select(number => (float)(number * (0.5 + _random.NextDouble())))]));
        if (kind >= WeightKind.Query) AddBias(kind, layer);
        return this;
    }

    public RandomAdapter TokenRows(WeightKind kind, params int[] tokens)
    {
        _tokenRows.Add((kind, tokens, Numbers(tokens.Length * model.Shape.HiddenSize, 0.5)));
        return this;
    }

    public RandomAdapter Invocation(params int[] tokens)
    {
        _invocation = tokens;
        return this;
    }

    /// <summary>Ranks so many times as large, by rows of A and columns of B that are zero; the scaling stays.</summary>
    public RandomAdapter Padded(int times)
    {
        for (var i = 0; i < _pairs.Count; i++)
        {
            var (kind, layer, rank, a, b) = _pairs[i];
            var wide = new float[b.Length * times];
            for (var row = 0; row < b.Length / rank; row++) b.AsSpan(row * rank, rank).CopyTo(wide.AsSpan(row * rank * times));
            _pairs[i] = (kind, layer, rank * times, [.. a, .. new float[a.Length * (times - 1)]], wide);
        }
        _alpha *= times;
        return this;
    }

    public RandomAdapter WritePeft(string changes = "{}")
    {
        var writer = new SafetensorsWriter();
        foreach (var (kind, layer, rank, a, b) in _pairs)
        {
            var isEmbedding = kind == WeightKind.Embedding;
            Add(writer, $"{Peft(kind, layer)}.{(isEmbedding ? "lora_embedding_A" : "lora_A.weight")}", [rank, a.Length / rank], a);
            Add(writer, $"{Peft(kind, layer)}.{(isEmbedding ? "lora_embedding_B" : "lora_B.weight")}", [b.Length / rank, rank], b);
        }
        foreach (var (kind, layer, numbers) in _magnitudes) Add(writer, $"{Peft(kind, layer)}.lora_magnitude_vector", [numbers.Length], numbers);
        foreach (var (kind, layer, numbers) in _biasesOfB) Add(writer, $"{Peft(kind, layer)}.lora_B.bias", [numbers.Length], numbers);
        foreach (var (kind, layer, numbers) in _biases) Add(writer, $"{Peft(kind, layer)}.bias", [numbers.Length], numbers);
        foreach (var (kind, layer, numbers) in _saved)
            Add(writer, $"{Peft(kind, layer)}.weight", WeightNames.IsMatrix(kind) ? [SizeOf(kind, layer).Rows, SizeOf(kind, layer).Columns] : [numbers.Length], numbers);
        foreach (var (kind, tokens, rows) in _tokenRows) Add(writer, $"{Peft(kind, 0)}.token_adapter.trainable_tokens_delta", [tokens.Length, model.Shape.HiddenSize], rows);
        writer.Write(Path.Combine(Folder, "adapter_model.safetensors"));
        var config = new JsonObject
        {
            ["peft_type"] = "LORA",
            ["r"] = _pairs[0].Rank,
            ["lora_alpha"] = _alpha,
            ["rank_pattern"] = new JsonObject(_pairs.Select(pair => KeyValuePair.Create(WeightNames.HuggingFace(pair.Kind, pair.Layer).Replace(".", "\\."), (JsonNode?)pair.Rank))),
            ["use_dora"] = _magnitudes.Count > 0,
            ["lora_bias"] = _biasesOfB.Count > 0,
            ["bias"] = _replacesBiases ? "all" : "none",
            ["modules_to_save"] = new JsonArray([.. _saved.Select(saved => (JsonNode)WeightNames.HuggingFace(saved.Kind, saved.Layer))]),
            ["trainable_token_indices"] = new JsonObject(_tokenRows.Select(rows => KeyValuePair.Create(
                WeightNames.HuggingFace(rows.Kind, 0).Split('.')[^1], (JsonNode?)new JsonArray([.. rows.Tokens.Select(token => (JsonNode)token)])))),
        };
        if (_invocation.Length > 0) config["alora_invocation_tokens"] = new JsonArray([.. _invocation.Select(token => (JsonNode)token)]);
        foreach (var (name, value) in JsonNode.Parse(changes)!.AsObject()) config[name] = value?.DeepClone();
        File.WriteAllText(Path.Combine(Folder, "adapter_config.json"), config.ToJsonString());
        return this;
    }

    /// <summary>As mlx-lm has it: A [In, Rank], B [Rank, Out]; the scale is one for all, here alpha by the first pair's rank, and so must the ranks be.</summary>
    public RandomAdapter WriteMlx()
    {
        _isMlx = true;
        var writer = new SafetensorsWriter();
        foreach (var (kind, layer, rank, a, b) in _pairs)
        {
            Add(writer, $"{WeightNames.HuggingFace(kind, layer)}.lora_a", [a.Length / rank, rank], Turned(a, rank));
            Add(writer, $"{WeightNames.HuggingFace(kind, layer)}.lora_b", [rank, b.Length / rank], Turned(b, b.Length / rank));
        }
        foreach (var (kind, layer, numbers) in _magnitudes) Add(writer, $"{WeightNames.HuggingFace(kind, layer)}.m", [numbers.Length], numbers);
        writer.Write(Path.Combine(Folder, "adapters.safetensors"));
        var config = new JsonObject
        {
            ["fine_tune_type"] = _magnitudes.Count > 0 ? "dora" : "lora",
            ["num_layers"] = model.Layers.Length,
            ["lora_parameters"] = new JsonObject { ["rank"] = _pairs[0].Rank, ["scale"] = _alpha / _pairs[0].Rank, ["dropout"] = 0.0 },
        };
        File.WriteAllText(Path.Combine(Folder, "adapter_config.json"), config.ToJsonString());
        return this;
    }

    /// <summary>The base under this adapter; without its A and B where invocation tokens hold them back, which they do on all but the embedding.</summary>
    public ReferenceModel Applied(double scale, bool isInvoked = true, ReferenceModel? to = null)
    {
        var reference = to ?? new ReferenceModel(model);
        var untouched = new ReferenceModel(model);
        foreach (var (kind, layer, numbers) in _saved)
        {
            if (!WeightNames.IsMatrix(kind))
            {
                reference.SetVector(kind, layer, [.. numbers.Select(number => (double)number)]);
                continue;
            }
            var (rows, columns) = SizeOf(kind, layer);
            reference.SetMatrix(kind, layer, [.. Enumerable.Range(0, rows).Select(r => Enumerable.Range(0, columns).Select(k => (double)numbers[RowOf(kind, r) * columns + k]).ToArray())]);
        }
        foreach (var (kind, layer, numbers) in _biases) reference.SetBias(kind, layer, [.. Enumerable.Range(0, numbers.Length).Select(r => (double)numbers[RowOf(kind, r)])]);
        foreach (var (kind, tokens, rows) in _tokenRows)
        {
            var kinds = kind == WeightKind.Embedding && model.Shape.TiedEmbedding && !_tokenRows.Any(other => other.Kind == WeightKind.Head) ? [kind, WeightKind.Head] : (WeightKind[])[kind];
            foreach (var each in kinds)
                for (var i = 0; i < tokens.Length; i++)
                    reference.Matrix(each, 0)[tokens[i]] = [.. Enumerable.Range(0, model.Shape.HiddenSize).Select(k => (double)rows[i * model.Shape.HiddenSize + k])];
        }
        foreach (var (kind, layer, rank, a, b) in _pairs)
        {
            if (!isInvoked && kind != WeightKind.Embedding) continue;
            var c = scale * (float)(_alpha / (_isMlx ? _pairs[0].Rank : rank));
            AddLora(reference, untouched, kind, layer, rank, a, b, c);
            if (_isMlx && kind == WeightKind.Embedding && model.Shape.TiedEmbedding) AddLora(reference, untouched, WeightKind.Head, 0, rank, Turned(b, model.Shape.HiddenSize), Turned(a, rank), c);
        }
        foreach (var (kind, layer, numbers) in isInvoked ? _biasesOfB : [])
        {
            var c = scale * (float)(_alpha / _pairs.Single(pair => pair.Kind == kind && pair.Layer == layer).Rank);
            var bias = reference.Bias(kind, layer) ?? new double[numbers.Length];
            reference.SetBias(kind, layer, [.. bias.Select((value, r) => value + c * numbers[RowOf(kind, r)])]);
        }
        return reference;
    }

    /// <summary>W + c B A, its rows (the embedding's columns) scaled to the magnitudes by the norms of the untouched base.</summary>
    private void AddLora(ReferenceModel reference, ReferenceModel untouched, WeightKind kind, int layer, int rank, float[] a, float[] b, double c)
    {
        var isEmbedding = kind == WeightKind.Embedding;
        var matrix = reference.Matrix(kind, layer);
        var (rows, columns) = (matrix.Length, matrix[0].Length);
        var delta = new double[rows][];
        for (var r = 0; r < rows; r++)
        {
            delta[r] = new double[columns];
            for (var k = 0; k < columns; k++)
                for (var j = 0; j < rank; j++)
                    delta[r][k] += c * (isEmbedding ? (double)a[j * rows + r] * b[k * rank + j] : (double)b[RowOf(kind, r) * rank + j] * a[j * columns + k]);
        }
        var magnitude = _magnitudes.FirstOrDefault(m => m.Kind == kind && m.Layer == layer).Numbers;
        var original = untouched.Matrix(kind, layer);
        double Norm(int r, int k) => isEmbedding
            ? Math.Sqrt(Enumerable.Range(0, rows).Sum(t => (original[t][k] + delta[t][k]) * (original[t][k] + delta[t][k])))
            : Math.Sqrt(Enumerable.Range(0, columns).Sum(t => (original[r][t] + delta[r][t]) * (original[r][t] + delta[r][t])));
        var gains = magnitude == null ? null : isEmbedding
            ? Enumerable.Range(0, columns).Select(k => magnitude[k] / Norm(0, k)).ToArray()
            : Enumerable.Range(0, rows).Select(r => magnitude[RowOf(kind, r)] / Norm(r, 0)).ToArray();
        reference.SetMatrix(kind, layer, [.. matrix.Select((row, r) => row.Select((w, k) => (w + delta[r][k]) * (gains == null ? 1 : gains[isEmbedding ? k : r])).ToArray())]);
    }

    private (int Rows, int Columns) SizeOf(WeightKind kind, int layer)
    {
        var shape = model.Shape;
        return kind switch
        {
            WeightKind.Embedding or WeightKind.Head => (shape.VocabularySize, shape.HiddenSize),
            WeightKind.Query => (shape.QuerySize, shape.HiddenSize),
            WeightKind.Key or WeightKind.Value => (shape.KeyValueSize, shape.HiddenSize),
            WeightKind.Output => (shape.HiddenSize, shape.QuerySize),
            WeightKind.Gate or WeightKind.Up => (shape.IntermediateSize, shape.HiddenSize),
            WeightKind.Down => (shape.HiddenSize, shape.IntermediateSize),
            _ => (1, shape.HiddenSize),
        };
    }

    /// <summary>The adapter's row for one of the model's: where the model turns neighbours together and not halves, theirs stand in another order.</summary>
    private int RowOf(WeightKind kind, int row, bool inverse = false)
    {
        if (kind is not (WeightKind.Query or WeightKind.Key) || model.Shape.RotaryLayout == RotaryLayout.Halves) return row;
        var (size, inHead) = (model.Shape.HeadSize, row % model.Shape.HeadSize);
        return row - inHead + (inverse ? inHead % (size / 2) * 2 + inHead / (size / 2) : inHead % 2 * (size / 2) + inHead / 2);
    }

    private unsafe void AddBias(WeightKind kind, int layer)
    {
        if (PartBinder.LinearOf(model, kind, layer) is { Bias: null } || _biases.Any(bias => bias.Kind == kind && bias.Layer == layer)) return;
        _biases.Add((kind, layer, Numbers(SizeOf(kind, layer).Rows, 0.3)));
    }

    private float[] Numbers(int count, double deviation) => [.. Enumerable.Range(0, count).Select(_ => (float)((_random.NextDouble() * 2 - 1) * Math.Sqrt(3) * deviation))];

    /// <summary>Rows and columns exchanged.</summary>
    private static float[] Turned(float[] numbers, int rows)
    {
        var columns = numbers.Length / rows;
        var turned = new float[numbers.Length];
        for (var i = 0; i < numbers.Length; i++) turned[i % columns * rows + i / columns] = numbers[i];
        return turned;
    }

    private static string Peft(WeightKind kind, int layer) => $"base_model.model.{WeightNames.HuggingFace(kind, layer)}";

    private static void Add(SafetensorsWriter writer, string name, long[] shape, float[] numbers) => writer.Tensor(name, "F32", shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray());
}
