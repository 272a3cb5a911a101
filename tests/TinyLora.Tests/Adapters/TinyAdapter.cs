using TinyLora.Numerics;
using TinyLora.Tests.Files;

namespace TinyLora.Tests.Adapters;

/// <summary>A PEFT folder for the model of one layer that the tests write, and its numbers.</summary>
internal sealed class TinyAdapter : IDisposable
{
    private readonly Random _random = new(1742);
    private readonly SafetensorsWriter _writer = new();

    public string Folder { get; } = Directory.CreateTempSubdirectory("adapter").FullName;

    public string Config { get; set; } = """{"peft_type":"LORA","r":3,"lora_alpha":6,"rank_pattern":{"k_proj":2,"up_proj":1}}""";

    /// <summary>A and B by projection, row after row, as they are after rounding to their type.</summary>
    public Dictionary<string, (float[] A, float[] B)> Numbers { get; } = [];

    public string WeightsPath => Path.Combine(Folder, "adapter_model.safetensors");

    public string ConfigPath => Path.Combine(Folder, "adapter_config.json");

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    public TinyAdapter Add(string module, int rank, int inputs, int outputs, ElementType a, ElementType b)
    {
        var name = $"base_model.model.model.layers.0.{module}";
        Numbers[module[(module.IndexOf('.') + 1)..]] = (Add($"{name}.lora_A.weight", a, rank, inputs), Add($"{name}.lora_B.weight", b, outputs, rank));
        return this;
    }

    public TinyAdapter Write()
    {
        _writer.Write(WeightsPath);
        File.WriteAllText(ConfigPath, Config);
        return this;
    }

    /// <summary>Query, Key (half precision), Gate (brain floats) and Up, Down: unequal ranks, mixed types, rows that fill no panel.</summary>
    public static TinyAdapter Mixed() => new TinyAdapter()
        .Add("self_attn.q_proj", 3, 8, 8, ElementType.F32, ElementType.F16)
        .Add("self_attn.k_proj", 2, 8, 4, ElementType.F16, ElementType.F32)
        .Add("mlp.gate_proj", 3, 8, 12, ElementType.BF16, ElementType.BF16)
        .Add("mlp.up_proj", 1, 8, 12, ElementType.BF16, ElementType.F32)
        .Add("mlp.down_proj", 3, 12, 8, ElementType.F16, ElementType.F16)
        .Write();

    private float[] Add(string name, ElementType type, int rows, int columns)
    {
        var values = new float[rows * columns];
        var data = new byte[type.ByteCount(values.Length)];
        for (var i = 0; i < values.Length; i++)
        {
            var value = (float)(_random.NextDouble() * 2 - 1);
            switch (type)
            {
                case ElementType.F32:
                    values[i] = value;
                    BitConverter.TryWriteBytes(data.AsSpan(4 * i), value);
                    break;
                case ElementType.F16:
                    values[i] = (float)(Half)value;
                    BitConverter.TryWriteBytes(data.AsSpan(2 * i), (Half)value);
                    break;
                default:
                    var bits = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
                    values[i] = BitConverter.UInt32BitsToSingle((uint)bits << 16);
                    BitConverter.TryWriteBytes(data.AsSpan(2 * i), bits);
                    break;
            }
        }
        _writer.Tensor(name, type.ToString(), [rows, columns], data);
        return values;
    }
}
