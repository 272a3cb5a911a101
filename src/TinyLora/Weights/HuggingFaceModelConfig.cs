using System.Text.Json;
using System.Text.Unicode;
using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Weights;

/// <summary>Reads a <see cref="ModelConfig"/> from a <c>config.json</c> as transformers 4 or 5 writes it.</summary>
internal sealed class HuggingFaceModelConfig
{
    private const int DefaultMistralWindow = 4096; // transformers, MistralConfig and Qwen2Config
    private const int DefaultWindowLayers = 28; // transformers, Qwen2Config

    private readonly string _path;
    private readonly JsonElement _root;
    private readonly string _type;

    private HuggingFaceModelConfig(string path, JsonElement root)
    {
        _path = path;
        _root = root;
        if (root.ValueKind != JsonValueKind.Object) Throw.BadFile(path, "config", root.ValueKind.ToString(), "an object");
        _type = Text(root, "model_type") ?? "";
    }

    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is no JSON, a value is missing, of another type or out of range, or asks for what is not supported.</exception>
    public static ModelConfig Read(string path)
    {
        using var file = new MappedFile(path);
        try
        {
            using var document = Parse(file);
            var reader = new HuggingFaceModelConfig(path, document.RootElement);
            if (reader._type.Length == 0) Throw.BadFile(path, "model_type", "nothing", "a name");
            if (reader._type is not ("llama" or "mistral" or "qwen2" or "qwen3")) Throw.NotSupported(path, $"architecture '{reader._type}'");
            reader.RefuseVariants();
            var config = new ModelConfig(reader.ReadShape(), reader.ReadScaling());
            config.Check(path);
            return config;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            Throw.BadJson(path, "config", e);
            return null;
        }
    }

    private static unsafe JsonDocument Parse(MappedFile file)
    {
        if (file.Length > int.MaxValue) Throw.BadFile(file.Path, "size", $"{file.Length} bytes", $"at most {int.MaxValue}");
        var json = new ReadOnlySpan<byte>(file.Pointer, (int)file.Length);
        if (!Utf8.IsValid(json)) Throw.BadFile(file.Path, "config", "bytes that are not UTF-8", "JSON");
        var reader = new Utf8JsonReader(json);
        var document = JsonDocument.ParseValue(ref reader);
        reader.Read(); // Throws if anything but white space follows.
        return document;
    }

    private ModelShape ReadShape()
    {
        var hiddenSize = Size(_root, "hidden_size");
        var headCount = Size(_root, "num_attention_heads");
        if (!Has(_root, "head_dim") && hiddenSize % headCount != 0)
            Throw.BadFile(_path, "num_attention_heads", $"{headCount}", $"a divisor of hidden_size {hiddenSize}");
        var layerCount = Size(_root, "num_hidden_layers");
        var (window, firstLayer) = SlidingWindow(layerCount);
        return new ModelShape
        {
            Architecture = _type == "mistral" ? "llama" : _type,
            HiddenSize = hiddenSize,
            IntermediateSize = Size(_root, "intermediate_size"),
            LayerCount = layerCount,
            HeadCount = headCount,
            KeyValueHeadCount = Size(_root, "num_key_value_heads", headCount),
            HeadSize = Size(_root, "head_dim", hiddenSize / headCount),
            VocabularySize = Size(_root, "vocab_size"),
            ContextLength = Size(_root, "max_position_embeddings"),
            RmsNormEpsilon = (float)Number(_root, "rms_norm_eps"),
            RopeTheta = RopeTheta(),
            RotaryLayout = RotaryLayout.Halves,
            SlidingWindow = window,
            SlidingWindowFirstLayer = firstLayer,
            TiedEmbedding = Flag("tie_word_embeddings"),
            HasQueryKeyNorm = _type == "qwen3",
        };
    }

    /// <summary>The window and the first layer that has it. Where <c>layer_types</c> stands it must say the same in another way.</summary>
    private (int Window, int FirstLayer) SlidingWindow(int layerCount)
    {
        if (_type == "llama") return (0, 0);
        var isQwen = _type != "mistral";
        // Mistral's null means none; the absent key means the class's own default.
        if (isQwen ? !Flag("use_sliding_window") : _root.TryGetProperty("sliding_window", out var given) && given.ValueKind == JsonValueKind.Null)
            return CheckLayerTypes(layerCount, 0, layerCount);
        var window = Size(_root, "sliding_window", DefaultMistralWindow);
        var first = isQwen ? Size(_root, "max_window_layers", DefaultWindowLayers, least: 0) : 0;
        return CheckLayerTypes(layerCount, window, Math.Min(first, layerCount));
    }

    private (int Window, int FirstLayer) CheckLayerTypes(int layerCount, int window, int first)
    {
        if (_root.TryGetProperty("layer_types", out var types) && types.ValueKind != JsonValueKind.Null)
        {
            if (types.ValueKind != JsonValueKind.Array || types.GetArrayLength() != layerCount) Throw.BadFile(_path, "layer_types", types.ValueKind.ToString(), $"an array of {layerCount}");
            var layer = 0;
            foreach (var type in types.EnumerateArray())
            {
                var name = type.ValueKind == JsonValueKind.String ? type.GetString() : type.ValueKind.ToString();
                var expected = layer >= first ? "sliding_attention" : "full_attention";
                if (name != expected) Throw.BadFile(_path, $"layer_types[{layer}]", $"{name}", $"{expected}, as the other fields say");
                layer++;
            }
        }
        return first == layerCount ? (0, 0) : (window, first);
    }

    private double RopeTheta()
    {
        var top = Number(_root, "rope_theta", ModelConfig.DefaultRopeTheta);
        return Rope(out var rope) ? Number(rope, "rope_theta", top) : top;
    }

    private RopeScaling ReadScaling()
    {
        if (!Rope(out var rope)) return RopeScaling.None;
        Neutral(rope, "partial_rotary_factor", 1);
        foreach (var field in rope.EnumerateObject())
            if (field.Value.ValueKind == JsonValueKind.Object) Throw.NotSupported(_path, $"a rotation for some layers ({field.Name})");
        var type = Text(rope, "rope_type") ?? Text(rope, "type") ?? "default";
        switch (type)
        {
            case "default": return RopeScaling.None;
            case "linear": return new RopeScaling { Type = RopeScalingType.Linear, Factor = Number(rope, "factor") };
            case "llama3":
                return new RopeScaling
                {
                    Type = RopeScalingType.Llama3,
                    Factor = Number(rope, "factor"),
                    LowFrequencyFactor = Number(rope, "low_freq_factor"),
                    HighFrequencyFactor = Number(rope, "high_freq_factor"),
                    OriginalContextLength = Size(rope, "original_max_position_embeddings"),
                };
            case "yarn":
                var factor = Number(rope, "factor");
                return new RopeScaling
                {
                    Type = RopeScalingType.Yarn,
                    Factor = factor,
                    OriginalContextLength = Size(rope, "original_max_position_embeddings", Size(_root, "max_position_embeddings")),
                    BetaFast = Number(rope, "beta_fast", 32),
                    BetaSlow = Number(rope, "beta_slow", 1),
                    Truncate = !rope.TryGetProperty("truncate", out var truncate) || truncate.ValueKind != JsonValueKind.False,
                    Magnitude = Has(rope, "attention_factor") ? Number(rope, "attention_factor")
                        : Has(rope, "mscale") && Has(rope, "mscale_all_dim")
                            ? RopeScaling.YarnMagnitude(factor, Number(rope, "mscale")) / RopeScaling.YarnMagnitude(factor, Number(rope, "mscale_all_dim"))
                            : RopeScaling.YarnMagnitude(factor),
                };
            default:
                Throw.NotSupported(_path, $"rope scaling '{type}'");
                return RopeScaling.None;
        }
    }

    /// <summary>The object about the rotation: <c>rope_parameters</c> of transformers 5, <c>rope_scaling</c> of transformers 4.</summary>
    private bool Rope(out JsonElement rope)
    {
        foreach (var name in (ReadOnlySpan<string>)["rope_parameters", "rope_scaling"])
        {
            if (!_root.TryGetProperty(name, out rope) || rope.ValueKind == JsonValueKind.Null) continue;
            if (rope.ValueKind != JsonValueKind.Object) Throw.BadFile(_path, name, rope.ValueKind.ToString(), "an object");
            return true;
        }
        rope = default;
        return false;
    }

    /// <summary>Fields by which other models of these types compute something else.</summary>
    private void RefuseVariants()
    {
        var activation = Text(_root, "hidden_act") ?? "silu";
        if (activation is not ("silu" or "swish")) Throw.NotSupported(_path, $"hidden_act '{activation}'");
        if (Has(_root, "quantization_config")) Throw.NotSupported(_path, "quantization_config");
        if (Flag("rope_interleaved")) Throw.NotSupported(_path, "rope_interleaved");
        Neutral(_root, "partial_rotary_factor", 1);
    }

    private static bool Has(JsonElement parent, string name) => parent.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    private int Size(JsonElement parent, string name, int? absent = null, int least = 1)
    {
        if (!Has(parent, name))
        {
            if (absent is { } size) return size;
            Throw.BadFile(_path, name, "nothing", "an integer");
        }
        var value = parent.GetProperty(name);
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var number) || number < least)
        {
            Throw.BadFile(_path, name, Raw(value), $"{least} to {int.MaxValue}");
            return 0;
        }
        return number;
    }

    private double Number(JsonElement parent, string name, double? absent = null)
    {
        if (!Has(parent, name))
        {
            if (absent is { } number) return number;
            Throw.BadFile(_path, name, "nothing", "a number");
        }
        var value = parent.GetProperty(name);
        if (value.ValueKind != JsonValueKind.Number) Throw.BadFile(_path, name, Raw(value), "a number");
        return value.GetDouble();
    }

    private bool Flag(string name)
    {
        if (!Has(_root, name)) return false;
        var value = _root.GetProperty(name);
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) Throw.BadFile(_path, name, Raw(value), "true or false");
        return value.GetBoolean();
    }

    private string? Text(JsonElement parent, string name)
    {
        if (!Has(parent, name)) return null;
        var value = parent.GetProperty(name);
        if (value.ValueKind != JsonValueKind.String) Throw.BadFile(_path, name, Raw(value), "a string");
        return value.GetString();
    }

    private void Neutral(JsonElement parent, string name, double neutral)
    {
        var value = Number(parent, name, neutral);
        if (value != neutral) Throw.NotSupported(_path, $"{name} = {value}");
    }

    private static string Raw(JsonElement value) => value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? value.ValueKind.ToString() : value.GetRawText();
}
