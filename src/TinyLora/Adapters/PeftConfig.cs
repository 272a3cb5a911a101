using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Adapters;

/// <summary>
/// PEFT's <c>adapter_config.json</c>: every field is applied, known to have no part in inference, or refused by its name.
/// Reference: huggingface.co/docs/peft, LoraConfig.
/// </summary>
internal sealed class PeftConfig
{
    private const int DefaultRank = 8; // PEFT's, as is DefaultAlpha
    private const double DefaultAlpha = 8;

    private readonly string _path;
    private string? _trainingState;

    private PeftConfig(string path)
    {
        _path = path;
        RankPattern = new ModulePatterns(path, "rank_pattern");
        AlphaPattern = new ModulePatterns(path, "alpha_pattern");
        Targets = new PeftTargets(path);
    }

    /// <summary>r: the rank of modules that <see cref="RankPattern"/> does not name.</summary>
    public int Rank { get; private set; } = DefaultRank;

    /// <summary>lora_alpha, of modules that <see cref="AlphaPattern"/> does not name.</summary>
    public double Alpha { get; private set; } = DefaultAlpha;

    /// <summary>use_rslora: the scaling is Alpha / √Rank.</summary>
    public bool RankStabilized { get; private set; }

    public ModulePatterns RankPattern { get; }

    public ModulePatterns AlphaPattern { get; }

    /// <summary>Which modules have LoRA.</summary>
    public PeftTargets Targets { get; }

    /// <summary>bias: which biases of the base were trained.</summary>
    public TrainedBiases Biases { get; private set; }

    /// <summary>lora_bias: each B has a bias.</summary>
    public bool HasBiasOfB { get; private set; }

    /// <summary>use_dora: each B has a magnitude.</summary>
    public bool IsDora { get; private set; }

    /// <summary>modules_to_save: names of modules, or their last parts.</summary>
    public List<string> SavedModules { get; } = [];

    /// <summary>trainable_token_indices: tokens by the last part of the module's name.</summary>
    public Dictionary<string, int[]> TrainedTokens { get; } = new(StringComparer.Ordinal);

    /// <summary>alora_invocation_tokens.</summary>
    public int[] InvocationTokens { get; private set; } = [];

    /// <summary>base_model_name_or_path.</summary>
    public string? BaseModel { get; private set; }

    /// <summary>The fields that only tell where the adapter comes from.</summary>
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <exception cref="InvalidDataException">A field is of the wrong form, or asks for what is not supported.</exception>
    public static PeftConfig Read(string path, JsonElement root)
    {
        var config = new PeftConfig(path);
        // First, because another method's fields mean nothing here.
        if (!root.TryGetProperty("peft_type", out var type)) Throw.BadFile(path, "peft_type", "no such field", "LORA");
        config.CheckType(type);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var field in root.EnumerateObject())
        {
            if (!names.Add(field.Name)) Throw.BadFile(path, field.Name, "the field twice", "once");
            config.ReadField(field.Name, field.Value);
        }
        return config;
    }

    /// <summary>The rank that the file promises for a module.</summary>
    public int RankOf(string module) => (int)RankPattern.Resolve(module, Rank);

    /// <summary>Whether modules_to_save names a module.</summary>
    public bool Saves(string module) => AdapterContent.Saves(SavedModules, module);

    /// <summary>Whether a part of a module belongs to a method of training that the file names, and to nothing that is computed.</summary>
    public bool IsTrainingState(string part) => _trainingState != null && part.StartsWith(_trainingState, StringComparison.Ordinal);

    /// <summary>The alpha of a module.</summary>
    public double AlphaOf(string module) => AlphaPattern.Resolve(module, Alpha);

    private void ReadField(string name, JsonElement value)
    {
        switch (name)
        {
            case "peft_type":
                break;
            case "r":
                if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var rank) || rank < 1) Throw.BadFile(_path, name, value.GetRawText(), "a rank of at least 1");
                else Rank = rank;
                break;
            case "lora_alpha":
                if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out var alpha) || !double.IsFinite(alpha)) Throw.BadFile(_path, name, value.GetRawText(), "a number");
                else Alpha = alpha;
                break;
            case "use_rslora":
                RankStabilized = Flag(name, value);
                break;
            case "rank_pattern":
                RankPattern.Read(value, integers: true);
                break;
            case "alpha_pattern":
                AlphaPattern.Read(value, integers: false);
                break;
            case "base_model_name_or_path":
                BaseModel = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
                break;
            case "task_type" or "revision" or "peft_version":
                if (value.ValueKind == JsonValueKind.String) Metadata[name] = value.GetString()!;
                break;

            case "target_modules":
                Targets.ReadTargets(value);
                break;
            case "exclude_modules":
                Targets.ReadExcluded(value);
                break;
            case "layers_to_transform":
                Targets.ReadLayers(value);
                break;
            case "layers_pattern":
                Targets.ReadLayersPattern(value);
                break;

            // Training, initialisation that leaves the base alone, bookkeeping; fan_in_fan_out only tells how a base matrix is stored.
            case "auto_mapping" or "inference_mode" or "lora_dropout" or "fan_in_fan_out" or "loftq_config" or "eva_config" or "corda_config" or "lora_ga_config"
                or "megatron_core" or "qalora_group_size" or "ensure_weight_tying" or "merge_weights":
                break;

            case "init_lora_weights":
                CheckInitialization(value);
                break;
            case "bias":
                if (value.ValueKind == JsonValueKind.Null || (value.ValueKind == JsonValueKind.String && value.ValueEquals("none"))) break;
                if (value.ValueKind != JsonValueKind.String || value.GetString() is not ("all" or "lora_only")) Throw.BadFile(_path, name, value.GetRawText(), "\"none\", \"all\" or \"lora_only\"");
                Biases = value.ValueEquals("all") ? TrainedBiases.All : TrainedBiases.OfLora;
                break;
            case "use_dora":
                IsDora = Flag(name, value);
                break;
            case "lora_bias":
                HasBiasOfB = Flag(name, value);
                break;
            case "modules_to_save":
                if (IsOff(value)) break;
                if (value.ValueKind != JsonValueKind.Array) Throw.BadFile(_path, name, value.GetRawText(), "a list of names");
                foreach (var module in value.EnumerateArray())
                {
                    if (module.ValueKind != JsonValueKind.String) Throw.BadFile(_path, name, module.GetRawText(), "a name");
                    SavedModules.Add(module.GetString()!);
                }
                break;
            case "trainable_token_indices":
                if (IsOff(value)) break;
                if (value.ValueKind != JsonValueKind.Object) TrainedTokens["embed_tokens"] = Tokens(name, value);
                else
                    foreach (var module in value.EnumerateObject())
                        if (!TrainedTokens.TryAdd(module.Name[(module.Name.LastIndexOf('.') + 1)..], Tokens(name, module.Value))) Throw.BadFile(_path, name, $"{module.Name} twice", "once");
                break;
            case "alora_invocation_tokens":
                if (!IsOff(value)) InvocationTokens = Tokens(name, value);
                break;
            // Methods of training whose tensors have no part in inference: PEFT computes plain LoRA there.
            case "velora_config":
                if (!IsOff(value)) _trainingState = "lora_velora_embed";
                break;
            case "monteclora_config":
                if (!IsOff(value)) _trainingState = "lora_monteclora_sampler.";
                break;
            case "layer_replication":
                RefuseUnlessOff(name, value, "a model with repeated layers");
                break;
            case "target_parameters":
                RefuseUnlessOff(name, value, "LoRA on bare parameters");
                break;
            case "megatron_config":
                RefuseUnlessOff(name, value, "Megatron");
                break;
            default:
                RefuseUnlessOff(name, value, "the field");
                break;
        }
    }

    private void CheckType(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            if (value.ValueEquals("LORA")) return;
            if (value.ValueEquals("TINYLORA"))
                Throw.BadFile(_path, "peft_type", "TINYLORA",
                    "LORA: PEFT's TinyLoRA is another method (a few numbers steer the base's frozen singular vectors) and shares only its name with this runtime");
        }
        Throw.BadFile(_path, "peft_type", value.GetRawText(), "\"LORA\", the only method that is supported");
    }

    private void CheckInitialization(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null or JsonValueKind.True or JsonValueKind.False:
                return;
            case JsonValueKind.String when value.GetString() is "gaussian" or "eva" or "orthogonal" or "mica":
                return;
            case JsonValueKind.String when value.GetString() is "pissa" or "olora" or "corda" or "loftq" or "lora_ga" || value.GetString()!.StartsWith("pissa_niter_", StringComparison.Ordinal):
                Throw.BadFile(_path, "init_lora_weights", value.GetRawText(),
                    "an adapter of the unchanged base (this start changed the base's weights): save it with path_initial_model_for_weight_conversion");
                return;
            default:
                Throw.BadFile(_path, "init_lora_weights", value.GetRawText(), "true, false, gaussian, eva, orthogonal or mica");
                return;
        }
    }

    private bool Flag(string name, JsonElement value)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null)) Throw.BadFile(_path, name, value.GetRawText(), "true or false");
        return value.ValueKind == JsonValueKind.True;
    }

    private int[] Tokens(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0) Throw.BadFile(_path, name, value.GetRawText(), "a list of tokens");
        var tokens = new int[value.GetArrayLength()];
        var i = 0;
        foreach (var token in value.EnumerateArray())
            if (token.ValueKind != JsonValueKind.Number || !token.TryGetInt32(out tokens[i]) || tokens[i++] < 0) Throw.BadFile(_path, name, token.GetRawText(), "a token");
        return tokens;
    }

    private void RefuseUnlessOff(string name, JsonElement value, string what)
    {
        if (!IsOff(value)) Throw.BadFile(_path, name, value.GetRawText(), $"null or false: {what} is not supported");
    }

    /// <summary>What a field holds whose feature is not used.</summary>
    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.String => value.ValueEquals(""),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().MoveNext(),
        _ => false,
    };
}
