using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>A model's tensors, mapped, named and checked.</summary>
internal sealed unsafe class ModelWeights : IDisposable
{
    private const string ConfigName = "config.json";
    private const string RopeDivisors = "rope_freqs.weight";

    private SafetensorsFolder? _folder;
    private AlignedBuffer? _vectors;
    // [ModelHashKind], null until it is asked for.
    private readonly ModelHash?[] _hashes = new ModelHash?[2];
    private readonly Lock _hashing = new();

    private ModelWeights()
    {
    }

    /// <summary>Path of the GGUF file or the Hugging Face folder.</summary>
    public required string Path { get; init; }
    public required ModelShape Shape { get; init; }
    /// <summary>[VocabularySize, HiddenSize]</summary>
    public Linear Embedding;
    /// <summary>[VocabularySize, HiddenSize]; the embedding's own memory where tied.</summary>
    public Linear Head;
    /// <summary>[HiddenSize]</summary>
    public float* FinalNorm;
    public required LayerWeights[] Layers { get; init; }
    /// <summary>[HeadSize / 2]: radians a position by which pair i turns, scaling applied.</summary>
    public required double[] RotaryFrequencies { get; init; }
    /// <summary>Multiplies cos and sin (YaRN); 1 elsewhere.</summary>
    public float RotaryMagnitude { get; init; } = 1f;

    /// <summary>The open GGUF file, or null for a folder.</summary>
    public GgufFile? Gguf { get; private set; }
    /// <summary>The Hugging Face folder, or null for a GGUF file.</summary>
    public string? Folder => _folder?.Path;
    /// <summary>The <c>__metadata__</c> of a folder's weights.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _folder?.Metadata ?? new Dictionary<string, string>();
    /// <summary>All tensors of the file or folder.</summary>
    public IReadOnlyList<TensorEntry> Tensors => Gguf?.Tensors ?? _folder!.Tensors;

    /// <summary>Opens a GGUF file or a Hugging Face folder; also by its <c>config.json</c> or the weights in it.</summary>
    /// <exception cref="FileNotFoundException">Nothing stands at the path, or the folder has no weights.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what is not supported: path, place, found, expected.</exception>
    public static ModelWeights Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path)) return OpenFolder(path, null);
        if (!GgufFile.IsGguf(path) && File.Exists(path) && System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)) is { } folder
            && File.Exists(System.IO.Path.Combine(folder, ConfigName)))
            return OpenFolder(folder, System.IO.Path.GetFileName(path) == ConfigName ? null : path);
        return OpenGguf(path);
    }

    /// <summary>What tells the model from others; computed at the first call.</summary>
    public ModelHash Hash(ModelHashKind kind)
    {
        lock (_hashing) return _hashes[(int)kind] ??= ModelHash.Of(this, kind);
    }

    public void Dispose()
    {
        _vectors?.Dispose();
        Gguf?.Dispose();
        _folder?.Dispose();
    }

    private static ModelWeights OpenGguf(string path)
    {
        var file = GgufFile.Open(path);
        try
        {
            var config = GgufModelConfig.Read(file);
            var catalog = new TensorCatalog(path, file.Tensors);
            var weights = Make(path, config, catalog, WeightNames.Gguf);
            weights.Gguf = file;
            return weights;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static ModelWeights OpenFolder(string path, string? file)
    {
        var config = HuggingFaceModelConfig.Read(System.IO.Path.Combine(path, ConfigName));
        var folder = SafetensorsFolder.Open(path, file);
        try
        {
            var catalog = new TensorCatalog(path, folder.Tensors, folder.Metadata);
            var weights = Make(path, config, catalog, WeightNames.HuggingFace);
            weights._folder = folder;
            return weights;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    private static ModelWeights Make(string path, ModelConfig config, TensorCatalog catalog, Func<WeightKind, int, string> name)
    {
        var binder = new WeightBinder(catalog, config.Shape, name);
        var divisors = Divisors(catalog, config.Shape);
        // Only after this are the sizes more than the file's say-so.
        var floats = binder.Check();
        var weights = new ModelWeights
        {
            Path = path,
            Shape = config.Shape,
            Layers = new LayerWeights[config.Shape.LayerCount],
            RotaryFrequencies = Weights.RotaryFrequencies.Compute(config.Shape.HeadSize, config.Shape.RopeTheta, config.Scaling, divisors),
            RotaryMagnitude = (float)config.Scaling.Magnitude,
        };
        weights._vectors = AlignedBuffer.OfFloats(floats);
        binder.Bind(weights, weights._vectors.Floats);
        return weights;
    }

    /// <summary>[HeadSize / 2] of a GGUF file with Llama 3's scaling; else empty.</summary>
    private static float[] Divisors(TensorCatalog catalog, ModelShape shape)
    {
        if (catalog.Find(RopeDivisors) is not { } tensor) return [];
        catalog.Use(tensor);
        if (tensor.Shape.Count != 1 || tensor.ElementCount != shape.HeadSize / 2) Throw.BadFile(tensor.Path, tensor.Name, $"shape {tensor.ShapeText}", $"[{shape.HeadSize / 2}]");
        if (tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16)) Throw.NotSupported(tensor.Path, $"{tensor.Name}: element type {tensor.TypeName}");
        var divisors = new float[tensor.ElementCount];
        fixed (float* to = divisors) Conversions.Decode(tensor.Type.Value, tensor.Data, to, divisors.Length);
        foreach (var divisor in divisors)
            if (!float.IsFinite(divisor) || divisor <= 0) Throw.BadFile(tensor.Path, tensor.Name, $"{divisor}", "finite numbers above 0");
        return divisors;
    }
}
