using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Weights;

/// <summary>Reads a <see cref="ModelConfig"/> from the metadata of a GGUF file.</summary>
internal sealed class GgufModelConfig
{
    private readonly GgufFile _file;
    private readonly string _architecture;

    private GgufModelConfig(GgufFile file, string architecture)
    {
        _file = file;
        _architecture = architecture;
    }

    /// <exception cref="InvalidDataException">A key is missing, of another type or out of range, or asks for what is not supported.</exception>
    public static ModelConfig Read(GgufFile file)
    {
        if (file.TryGetString("general.type", out var kind) && kind != "model") Throw.BadFile(file.Path, "general.type", kind, "model");
        if (!file.TryGetString("general.architecture", out var architecture)) Throw.BadFile(file.Path, "general.architecture", "nothing", "a name");
        if (architecture is not ("llama" or "qwen2" or "qwen3")) Throw.NotSupported(file.Path, $"architecture '{architecture}'");
        var reader = new GgufModelConfig(file, architecture);
        reader.RefuseVariants();
        var config = new ModelConfig(reader.ReadShape(), reader.ReadScaling());
        config.Check(file.Path);
        return config;
    }

    private ModelShape ReadShape()
    {
        var hiddenSize = Size("embedding_length");
        var headCount = Size("attention.head_count");
        if (!_file.Contains(Key("attention.key_length")) && hiddenSize % headCount != 0)
            Throw.BadFile(_file.Path, Key("attention.head_count"), $"{headCount}", $"a divisor of {Key("embedding_length")} {hiddenSize}");
        var headSize = Size("attention.key_length", hiddenSize / headCount);
        Equal("attention.value_length", headSize);
        Equal("rope.dimension_count", headSize);
        return new ModelShape
        {
            Architecture = _architecture,
            HiddenSize = hiddenSize,
            IntermediateSize = Size("feed_forward_length"),
            LayerCount = Size("block_count"),
            HeadCount = headCount,
            KeyValueHeadCount = Size("attention.head_count_kv", headCount),
            HeadSize = headSize,
            VocabularySize = VocabularySize(),
            ContextLength = Size("context_length"),
            RmsNormEpsilon = (float)Number("attention.layer_norm_rms_epsilon"),
            RopeTheta = Number("rope.freq_base", ModelConfig.DefaultRopeTheta),
            RotaryLayout = _architecture == "llama" ? RotaryLayout.Interleaved : RotaryLayout.Halves,
            SlidingWindow = SlidingWindow(),
            TiedEmbedding = !_file.TryGetTensor(WeightNames.Gguf(WeightKind.Head, 0) + ".weight", out _),
            HasQueryKeyNorm = _architecture == "qwen3",
        };
    }

    /// <summary>Rows of the embedding; what the metadata say must agree.</summary>
    private int VocabularySize()
    {
        var name = WeightNames.Gguf(WeightKind.Embedding, 0) + ".weight";
        if (!_file.TryGetTensor(name, out var embedding)) Throw.BadFile(_file.Path, name, "no such tensor", "it");
        var rows = embedding.Shape[0];
        if (rows > int.MaxValue) Throw.BadFile(_file.Path, name, $"{rows} rows", $"at most {int.MaxValue}");
        Equal("vocab_size", (int)rows);
        if (_file.TryGetArray("tokenizer.ggml.tokens", out var tokens) && tokens.Count != rows)
            Throw.BadFile(_file.Path, "tokenizer.ggml.tokens", $"{tokens.Count} tokens", $"{rows}, the rows of {name}");
        return (int)rows;
    }

    /// <summary>Only llama files (Mistral) have a window that is in use; converters copy it for qwen, where it is off.</summary>
    private int SlidingWindow()
    {
        if (!_file.Contains(Key("attention.sliding_window"))) return 0;
        if (!_file.TryGetInteger(Key("attention.sliding_window"), out var window) || window <= 0) return 0;
        if (window >= Size("context_length")) return 0;
        if (_architecture != "llama") Throw.NotSupported(_file.Path, $"{Key("attention.sliding_window")} = {window}");
        return (int)window;
    }

    private RopeScaling ReadScaling()
    {
        if (_file.TryGetTensor("rope_factors_long.weight", out _) || _file.TryGetTensor("rope_factors_short.weight", out _))
            Throw.NotSupported(_file.Path, "rope scaling 'longrope'");
        var factor = Number("rope.scaling.factor", Number("rope.scale_linear", 1));
        if (factor == 0) factor = 1; // How the format says that there is none.
        var magnitude = Number("rope.scaling.attn_factor", 1);
        if (!_file.TryGetString(Key("rope.scaling.type"), out var type)) type = "linear";
        switch (type)
        {
            case "none": return new RopeScaling { Magnitude = magnitude };
            case "linear": return new RopeScaling { Type = factor == 1 ? RopeScalingType.None : RopeScalingType.Linear, Factor = factor, Magnitude = magnitude };
            case "yarn": break;
            default: Throw.NotSupported(_file.Path, $"rope scaling '{type}'"); break;
        }
        Neutral("rope.scaling.yarn_ext_factor", 1);
        Neutral("rope.scaling.yarn_attn_factor", 1);
        Neutral("rope.scaling.yarn_log_multiplier", 0);
        return new RopeScaling
        {
            Type = RopeScalingType.Yarn,
            Factor = factor,
            OriginalContextLength = Size("rope.scaling.original_context_length", Size("context_length")),
            BetaFast = Number("rope.scaling.yarn_beta_fast", 32),
            BetaSlow = Number("rope.scaling.yarn_beta_slow", 1),
            Magnitude = magnitude * RopeScaling.YarnMagnitude(factor),
        };
    }

    /// <summary>Keys by which other models of these architectures compute something else.</summary>
    private void RefuseVariants()
    {
        if (_file.TryGetInteger(Key("expert_count"), out var experts) && experts > 0) Throw.NotSupported(_file.Path, $"{Key("expert_count")} = {experts}");
        if (_file.TryGetBoolean(Key("attention.causal"), out var causal) && !causal) Throw.NotSupported(_file.Path, $"{Key("attention.causal")} = false");
        if (_file.TryGetBoolean(Key("use_parallel_residual"), out var parallel) && parallel) Throw.NotSupported(_file.Path, $"{Key("use_parallel_residual")} = true");
        if (_file.Contains(Key("attention.sliding_window_pattern"))) Throw.NotSupported(_file.Path, Key("attention.sliding_window_pattern"));
        Neutral("attn_logit_softcapping", 0);
        Neutral("final_logit_softcapping", 0);
        Neutral("attention.clamp_kqv", 0);
        Neutral("attention.max_alibi_bias", 0);
        Neutral("attention.temperature_scale", 0);
        Neutral("logit_scale", 1, 0);
        Neutral("residual_scale", 1, 0);
        Neutral("embedding_scale", 1, 0);
        Neutral("attention.scale", 0);
    }

    private string Key(string name) => $"{_architecture}.{name}";

    private int Size(string name, int? absent = null)
    {
        if (!_file.TryGetInteger(Key(name), out var value))
        {
            if (absent is { } size) return size;
            Throw.BadFile(_file.Path, Key(name), "nothing", "an integer");
        }
        if (value is < 1 or > int.MaxValue) Throw.BadFile(_file.Path, Key(name), $"{value}", $"1 to {int.MaxValue}");
        return (int)value;
    }

    private double Number(string name, double? absent = null)
    {
        if (_file.TryGetNumber(Key(name), out var value)) return value;
        if (absent is { } number) return number;
        Throw.BadFile(_file.Path, Key(name), "nothing", "a number");
        return 0;
    }

    private void Equal(string name, int expected)
    {
        var value = Size(name, expected);
        if (value != expected) Throw.BadFile(_file.Path, Key(name), $"{value}", $"{expected}");
    }

    private void Neutral(string name, params ReadOnlySpan<double> neutral)
    {
        if (_file.TryGetNumber(Key(name), out var value) && !neutral.Contains(value)) Throw.NotSupported(_file.Path, $"{Key(name)} = {value}");
    }
}
