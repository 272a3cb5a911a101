using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// Reads llama.cpp's adapters: <c>general.type</c> adapter, <c>adapter.type</c> lora, <c>adapter.lora.alpha</c>, and for each base tensor X
/// X.lora_a [Rank, In] and X.lora_b [Out, Rank].
/// </summary>
internal static class GgufAdapterFile
{
    private const string AlphaKey = "adapter.lora.alpha";
    private const string InvocationKey = "adapter.alora.invocation_tokens";
    private const string SuffixA = ".weight.lora_a";
    private const string SuffixB = ".weight.lora_b";

    /// <exception cref="InvalidDataException">The file is damaged, no adapter, or asks for what is not supported.</exception>
    public static AdapterContent Read(GgufFile file)
    {
        Expect(file, "general.type", "adapter");
        Expect(file, "adapter.type", "lora");
        if (!file.TryGetString("general.architecture", out var architecture)) Throw.BadFile(file.Path, "general.architecture", "no such key", "the base's architecture");
        foreach (var key in file.Keys)
            if (key.StartsWith("adapter.", StringComparison.Ordinal) && key is not ("adapter.type" or AlphaKey or InvocationKey or "adapter.lora.task_name" or "adapter.lora.prompt_prefix"))
                Throw.NotSupported(file.Path, $"the key {key}");
        var alpha = ReadAlpha(file);
        var invocation = ReadInvocation(file);
        var baseHash = ReadBaseHash(file);
        var builder = new AdapterBuilder(file.Path) { TransposedEmbedding = true };
        foreach (var tensor in file.Tensors) Add(builder, file.Path, tensor);
        var baseModel = file.TryGetString("general.base_model.0.name", out var name) ? name : null;
        var metadata = ReadMetadata(file);
        // Without an alpha the product is not divided by the rank: so llama.cpp has it.
        var pairs = builder.Build((_, _, rank) => alpha == 0 ? (rank, 1f) : (alpha, (float)(alpha / rank)), out _, out var memory);
        return new AdapterContent
        {
            Path = file.Path,
            Format = AdapterFormat.Gguf,
            Architecture = architecture,
            RowOrder = architecture == "llama" ? RotaryLayout.Interleaved : RotaryLayout.Halves,
            Pairs = pairs,
            InvocationTokens = invocation,
            Alpha = alpha == 0 ? pairs[0].Alpha : alpha,
            BaseModel = baseModel,
            BaseHash = baseHash,
            Metadata = metadata,
            Memory = memory,
        };
    }

    private static void Add(AdapterBuilder builder, string path, TensorEntry tensor)
    {
        var name = tensor.Name;
        var isA = name.EndsWith(SuffixA, StringComparison.Ordinal);
        if (!isA && !name.EndsWith(SuffixB, StringComparison.Ordinal)) Throw.BadFile(path, name, "a tensor that is no lora_a or lora_b", "nothing else, as nothing else is supported");
        var module = name[..^SuffixA.Length];
        // The table knows Hugging Face's names too; here only those of GGUF are meant.
        if (!WeightNames.TryParse(module, out var kind, out var layer) || WeightNames.Gguf(kind, layer) != module)
            Throw.BadFile(path, name, "a tensor that has no place in the model", "a projection of a layer, the head or the embedding");
        if (isA) builder.AddA(kind, layer, module, tensor);
        else builder.AddB(kind, layer, module, tensor);
    }

    private static void Expect(GgufFile file, string key, string expected)
    {
        if (!file.TryGetString(key, out var value)) Throw.BadFile(file.Path, key, "no such key", expected);
        if (value != expected) Throw.BadFile(file.Path, key, value, expected);
    }

    /// <summary>Alpha, or 0 without one.</summary>
    private static double ReadAlpha(GgufFile file)
    {
        if (file.TypeOf(AlphaKey) is not { } type) return 0;
        if (type != GgufValueType.Float32) Throw.BadFile(file.Path, AlphaKey, type.ToString(), nameof(GgufValueType.Float32));
        file.TryGetNumber(AlphaKey, out var alpha);
        if (!double.IsFinite(alpha)) Throw.BadFile(file.Path, AlphaKey, $"{alpha}", "a finite number");
        return alpha;
    }

    private static int[] ReadInvocation(GgufFile file)
    {
        if (!file.Contains(InvocationKey)) return [];
        file.TryGetArray(InvocationKey, out var array);
        if (array.Count == 0) Throw.BadFile(file.Path, InvocationKey, "no tokens", "some");
        if (array.ElementType == GgufValueType.Int32) return array.As<int>().ToArray();
        var numbers = array.As<uint>();
        var tokens = new int[numbers.Length];
        for (var i = 0; i < tokens.Length; i++)
        {
            if (numbers[i] > int.MaxValue) Throw.BadFile(file.Path, InvocationKey, $"{numbers[i]}", "a token");
            tokens[i] = (int)numbers[i];
        }
        return tokens;
    }

    private static ModelHash? ReadBaseHash(GgufFile file)
    {
        if (!file.Contains(ModelHash.Key)) return null;
        if (!file.TryGetString(ModelHash.Key, out var text)) Throw.BadFile(file.Path, ModelHash.Key, $"{file.TypeOf(ModelHash.Key)}", "a text");
        return AdapterTensors.ParseBaseHash(file.Path, text);
    }

    private static Dictionary<string, string> ReadMetadata(GgufFile file)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var key in file.Keys)
            if (file.TypeOf(key) == GgufValueType.String && file.TryGetString(key, out var value)) metadata[key] = value;
        return metadata;
    }
}
