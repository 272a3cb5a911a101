using System.Text.Json;

namespace TinyLora.PeerBench;

/// <summary>
/// A LoRA adapter of random float16 values on all seven projections of every layer, written both as a GGUF adapter and as a PEFT folder
/// with the same values. The same model, rank and seed give the same bytes.
/// </summary>
internal sealed class RandomAdapter
{
    private static readonly (string Gguf, string Peft)[] Projections =
    [
        ("attn_q", "self_attn.q_proj"), ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
        ("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj"),
    ];

    private readonly GgufHeader _model;
    private readonly int _rank;
    private readonly Random _random;

    private RandomAdapter(GgufHeader model, int rank, int seed) => (_model, _rank, _random) = (model, rank, new Random(seed));

    /// <summary>Writes <c>NAME.gguf</c> and the folder <c>NAME</c> into <paramref name="folder"/>; alpha is twice the rank.</summary>
    /// <exception cref="InvalidDataException">The model lacks one of the projections.</exception>
    public static (string Gguf, string Peft) Write(string modelPath, string folder, int rank, int seed = 1)
    {
        var name = $"{Path.GetFileNameWithoutExtension(modelPath)}-random-r{rank}";
        var model = GgufHeader.Read(modelPath);
        var (gguf, peft) = new RandomAdapter(model, rank, seed).Tensors();

        var peftFolder = Path.Combine(folder, name);
        Directory.CreateDirectory(peftFolder);
        SafetensorsWriter.Write(Path.Combine(peftFolder, "adapter_model.safetensors"), peft);
        WriteConfig(Path.Combine(peftFolder, "adapter_config.json"), rank);
        var ggufPath = Path.Combine(folder, name + ".gguf");
        GgufAdapterWriter.Write(ggufPath, model.Architecture, alpha: 2 * rank, gguf);
        return (ggufPath, peftFolder);
    }

    private (List<AdapterTensor> Gguf, List<AdapterTensor> Peft) Tensors()
    {
        List<AdapterTensor> gguf = [], peft = [];
        for (int layer = 0; layer < _model.LayerCount; layer++)
            foreach (var (ggufName, peftName) in Projections)
            {
                var weight = $"blk.{layer}.{ggufName}.weight";
                if (!_model.Tensors.TryGetValue(weight, out var sizes) || sizes.Length != 2)
                    throw new InvalidDataException($"the model has no matrix {weight}");
                var (columns, rows) = ((int)sizes[0], (int)sizes[1]);
                // A keeps the input's magnitude, B makes the change small: activations stay ordinary numbers.
                var a = RandomValues(_rank * columns, 1 / MathF.Sqrt(columns));
                var b = RandomValues(rows * _rank, 0.01f);
                var target = $"base_model.model.model.layers.{layer}.{peftName}";
                peft.Add(new AdapterTensor($"{target}.lora_A.weight", _rank, columns, a));
                peft.Add(new AdapterTensor($"{target}.lora_B.weight", rows, _rank, b));
                gguf.Add(new AdapterTensor($"{weight}.lora_a", _rank, columns, a));
                gguf.Add(new AdapterTensor($"{weight}.lora_b", rows, _rank, InGgufOrder(ggufName, rows, b)));
            }
        return (gguf, peft);
    }

    private Half[] RandomValues(int count, float bound)
    {
        var values = new Half[count];
        for (int i = 0; i < count; i++)
            values[i] = (Half)(bound * (2 * _random.NextSingle() - 1));
        return values;
    }

    /// <summary>
    /// GGUF files of the llama architecture have the rows of each query and key head as rotary pairs (0, h/2, 1, h/2 + 1, ...), where
    /// Hugging Face has the two halves one after the other.
    /// </summary>
    private Half[] InGgufOrder(string projection, int rowCount, Half[] rows)
    {
        if (_model.Architecture != "llama" || projection is not ("attn_q" or "attn_k"))
            return rows;
        int headSize = rowCount / (projection == "attn_q" ? _model.HeadCount : _model.KeyValueHeadCount);
        var ordered = new Half[rows.Length];
        for (int row = 0; row < rowCount; row++)
        {
            int inHead = row % headSize;
            int source = row - inHead + inHead / 2 + inHead % 2 * (headSize / 2);
            rows.AsSpan(source * _rank, _rank).CopyTo(ordered.AsSpan(row * _rank));
        }
        return ordered;
    }

    private static void WriteConfig(string path, int rank)
    {
        using var stream = File.Create(path);
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("peft_type", "LORA");
        json.WriteString("task_type", "CAUSAL_LM");
        json.WriteNumber("r", rank);
        json.WriteNumber("lora_alpha", 2 * rank);
        json.WriteNumber("lora_dropout", 0);
        json.WriteString("bias", "none");
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("use_rslora", false);
        json.WriteBoolean("use_dora", false);
        json.WriteStartArray("target_modules");
        foreach (var (_, peft) in Projections)
            json.WriteStringValue(peft[(peft.IndexOf('.', StringComparison.Ordinal) + 1)..]);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
