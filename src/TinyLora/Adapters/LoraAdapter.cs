using System.Runtime.CompilerServices;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>
/// A LoRA adapter read from a file: y = W x + Scale · (Alpha / Rank) · B (A x) for each projection that it names
/// (Hu et al., 2021, arXiv 2106.09685).
/// </summary>
/// <remarks>
/// The file is read once, into memory of the adapter's own, and closed: what happens to it afterwards does not matter, and another adapter of the same path is another adapter.
/// (A file that a running program may be about to read is replaced by renaming another over it, not by writing into it.) An adapter may be on in any number of sessions and models at once;
/// each model gets a copy that is laid out for its kernels.
/// </remarks>
public sealed class LoraAdapter : IDisposable
{
    private readonly AdapterContent _content;
    private readonly Lock _lock = new();
    // Taken before _lock.
    private readonly Lock _binding = new();
    private readonly ConditionalWeakTable<object, BoundAdapter> _bound = [];
    private readonly LoraTarget[] _modules;
    private readonly string[] _targets;
    private readonly int[] _ranks;
    private readonly string[] _replaced;
    private float _scale = 1f;
    private int _uses;
    private bool _disposed;

    /// <summary>
    /// Reads an adapter: a PEFT or mlx-lm folder, a file of tensors from one (<c>.safetensors</c> or torch's <c>.bin</c>; its <c>adapter_config.json</c>, or a <c>.json</c> of its own name, beside it),
    /// or a GGUF adapter. What the file is, is said by its content and not by its name.
    /// </summary>
    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what is not supported: path, place, found, expected.</exception>
    public LoraAdapter(string path)
        : this(path, AdapterFile.Read(path, null))
    {
    }

    /// <summary>Reads a file of PEFT's tensors that has no configuration beside it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="alpha">The numerator of the scaling Alpha / Rank, which the file does not state.</param>
    /// <exception cref="ArgumentException">The file states its alpha itself.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Alpha is not finite.</exception>
    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    /// <exception cref="InvalidDataException">The file is damaged or holds what is not supported: path, place, found, expected.</exception>
    public LoraAdapter(string path, float alpha)
        : this(path, AdapterFile.Read(path, float.IsFinite(alpha) ? alpha : throw new ArgumentOutOfRangeException(nameof(alpha), alpha, "Alpha is a finite number.")))
    {
    }

    /// <param name="path">Where it comes from.</param>
    /// <param name="content">What it holds.</param>
    /// <param name="name">Its name; that of the path unless given.</param>
    internal LoraAdapter(string path, AdapterContent content, string? name = null)
    {
        Path = path;
        _content = content;
        Name = name ?? NameOf(path);
        _modules = new LoraTarget[content.Pairs.Length];
        var targets = new SortedSet<WeightKind>();
        var ranks = new SortedSet<int>();
        for (var i = 0; i < _modules.Length; i++)
        {
            var pair = content.Pairs[i];
            _modules[i] = new LoraTarget(WeightNames.IsOfLayer(pair.Kind) ? pair.Layer : -1, ModuleName.Projection(pair.Kind), pair.Rank, pair.A.Columns, pair.B.Rows, pair.Alpha, pair.Scaling, pair.A.Type, pair.B.Type);
            targets.Add(pair.Kind);
            ranks.Add(pair.Rank);
            ParameterCount += pair.A.Count + pair.B.Count;
            SizeInBytes += pair.A.Bytes + pair.B.Bytes;
        }
        var replaced = new List<string>();
        foreach (var tensor in content.Others)
        {
            if (!tensor.IsApplied) continue;
            IsDora |= tensor.Part == AdapterPart.Magnitude;
            ParameterCount += tensor.Matrix.Count;
            SizeInBytes += tensor.Matrix.Bytes;
            if (tensor.Replaces) replaced.Add(ModuleName.Of(tensor.Kind, tensor.Layer) + (tensor.Part switch { AdapterPart.Bias => ".bias", AdapterPart.TokenRows => $".weight, {tensor.Tokens.Length} rows", _ => ".weight" }));
        }
        _replaced = [.. replaced];
        _targets = [.. targets.Select(ModuleName.Projection)];
        _ranks = [.. ranks];
    }

    /// <summary>The path it was read from; of a combination, what it was made of.</summary>
    public string Path { get; }

    /// <summary>Name of the folder, or of the file without its extension; of a combination, what it was made of.</summary>
    public string Name { get; }

    /// <summary>What kind of file it was.</summary>
    public AdapterFormat Format => _content.Format;

    /// <summary>Strength from the next token on; any sign; 0 is exactly the base model.</summary>
    /// <remarks>Setting it costs nothing; unless a session keeps its cache (<c>SessionOptions.KeepCache</c>), its next step computes the past again as the new strength makes it.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">It is set to what is not finite.</exception>
    /// <exception cref="ObjectDisposedException">It is set, and the adapter is disposed.</exception>
    public float Scale
    {
        get => Volatile.Read(ref _scale);
        set
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            Volatile.Write(ref _scale, float.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A scale is a finite number."));
        }
    }

    /// <summary>The largest rank of a projection.</summary>
    public int Rank => _ranks[^1];

    /// <summary>The ranks that occur, ascending.</summary>
    public IReadOnlyList<int> Ranks => _ranks;

    /// <summary>The numerator of the scaling where the file makes no exceptions; <see cref="Modules"/> has each.</summary>
    public double Alpha => _content.Alpha;

    /// <summary>Whether the scaling is Alpha / √Rank instead of Alpha / Rank (rsLoRA; Kalajdzievski, 2023, arXiv 2312.03732).</summary>
    public bool IsRankStabilized => _content.RankStabilized;

    /// <summary>The projections that it changes in any layer, in the order of a layer: <c>q_proj</c>, <c>v_proj</c>.</summary>
    public IReadOnlyList<string> Targets => _targets;

    /// <summary>What it does to each projection of each layer, by layer.</summary>
    public IReadOnlyList<LoraTarget> Modules => _modules;

    /// <summary>Whether the rows of W + B A are scaled to norms of the adapter's own (DoRA; Liu et al., 2024, arXiv 2402.09353).</summary>
    public bool IsDora { get; }

    /// <summary>What stands in for the base's own while <see cref="Scale"/> is not 0, whatever it is: norms, projections, head, embedding, rows of the last two, biases, each by its Hugging Face name.</summary>
    public IReadOnlyList<string> Replaces => _replaced;

    /// <summary>
    /// The tokens whose last occurrence in the prompt switches A and B on, from their first one on (aLoRA); empty: they are always on. As in PEFT they hold back neither what <see cref="Replaces"/> names
    /// nor A and B of the embedding.
    /// </summary>
    public IReadOnlyList<int> InvocationTokens => _content.InvocationTokens;

    /// <summary>Numbers in all A and B and beside them.</summary>
    public long ParameterCount { get; }

    /// <summary>Bytes of all that <see cref="ParameterCount"/> counts.</summary>
    public long SizeInBytes { get; }

    /// <summary>The base model as the file calls it, or null.</summary>
    public string? BaseModel => _content.BaseModel;

    /// <summary>The hash of the base that the adapter was saved for, or null where the file has none.</summary>
    /// <remarks>Where there is one, a model with another is refused when the adapter is put on (<see cref="InvalidDataException"/>), unless <see cref="AllowsOtherBase"/>.</remarks>
    public ModelHash? BaseHash => _content.BaseHash;

    /// <summary>Whether it may be put on a model whose hash is not <see cref="BaseHash"/>; everything else is checked all the same.</summary>
    public bool AllowsOtherBase
    {
        get => _content.AllowsOtherBase;
        set => _content.AllowsOtherBase = value;
    }

    /// <summary>What else the file says about itself; nothing in it changes what the adapter does.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _content.Metadata;

    internal AdapterContent Content => _content;

    internal bool IsDisposed => Volatile.Read(ref _disposed);

    /// <summary>Saves it as a PEFT folder: the numbers as they are, the file's own scaling, not <see cref="Scale"/>.</summary>
    /// <param name="folder">Made if it is not there; its <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> are replaced.</param>
    /// <param name="shape">The base model's; needed only for a GGUF adapter of the llama architecture, whose rows stand in another order, and for one of mlx-lm on the embedding, which may act on the head too.</param>
    /// <param name="baseHash">Stored in the file (PEFT ignores it) and checked wherever the adapter is put on; null: the adapter's own, if it has one. The model computes it.</param>
    /// <exception cref="ArgumentNullException">The shape is needed and missing.</exception>
    /// <exception cref="InvalidDataException">The adapter does not fit a model of the shape: path, tensor, found, expected.</exception>
    /// <exception cref="ObjectDisposedException">The adapter is disposed.</exception>
    /// <exception cref="IOException">The files cannot be written.</exception>
    public void SavePeft(string folder, ModelShape? shape = null, ModelHash? baseHash = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (_content.NeedsShapeForPeft) ArgumentNullException.ThrowIfNull(shape);
        AddUse();
        try
        {
            if (shape != null) _content.CheckPairs(shape);
            PeftAdapterWriter.Write(_content, folder, shape, baseHash ?? BaseHash);
        }
        finally
        {
            ReleaseUse();
        }
    }

    /// <summary>
    /// Saves it as a GGUF adapter, as llama.cpp reads it. The format has one alpha for all: where projections differ in it (or the scaling is
    /// Alpha / √Rank and the ranks differ), B is multiplied by the difference and written in float32.
    /// </summary>
    /// <param name="path">The file; replaced if it is there.</param>
    /// <param name="shape">The base model's.</param>
    /// <param name="baseHash">Stored in the file (llama.cpp ignores it) and checked wherever the adapter is put on; null: the adapter's own, if it has one. The model computes it.</param>
    /// <exception cref="InvalidOperationException">It holds more than A and B: magnitudes, biases, whole modules, rows of tokens.</exception>
    /// <exception cref="InvalidDataException">The adapter does not fit a model of the shape: path, tensor, found, expected.</exception>
    /// <exception cref="ObjectDisposedException">The adapter is disposed.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void SaveGguf(string path, ModelShape shape, ModelHash? baseHash = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(shape);
        AddUse();
        try
        {
            RefuseForGguf();
            _content.CheckPairs(shape);
            GgufAdapterWriter.Write(_content, path, shape, baseHash ?? BaseHash);
        }
        finally
        {
            ReleaseUse();
        }
    }

    /// <summary>Ends the adapter: it cannot be put on, scaled or saved any more. Never throws.</summary>
    /// <remarks>
    /// Where it is on, its memory stays until the last session or model lets it go (removes it, clears its set, is disposed), so it may be disposed before or after
    /// these and a step that runs is never harmed. But a session that would begin another step with it on is told: <see cref="ObjectDisposedException"/>
    /// with the adapter's name, until it is removed there. The error is the step's and not this call's, because an exception out of <c>Dispose</c> would hide the one that leaves a <c>using</c>.
    /// </remarks>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            Volatile.Write(ref _disposed, true);
            if (_uses == 0) Free();
        }
    }

    /// <summary>Counts a place where the adapter is put on, so that its memory stays.</summary>
    /// <exception cref="ObjectDisposedException">It is disposed already.</exception>
    internal void AddUse()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _uses++;
        }
    }

    /// <summary>Counts one more place of an adapter that is on elsewhere, and perhaps disposed since.</summary>
    internal void ShareUse()
    {
        lock (_lock)
        {
            if (_uses == 0) throw new InvalidOperationException($"The adapter {Name} is not in use.");
            _uses++;
        }
    }

    /// <summary>The other end of <see cref="AddUse"/> and <see cref="ShareUse"/>.</summary>
    internal void ReleaseUse()
    {
        lock (_lock)
        {
            if (_uses == 0) throw new InvalidOperationException($"The adapter {Name} is not in use.");
            _uses--;
            if (_uses == 0 && _disposed) Free();
        }
    }

    /// <summary>The adapter as it is laid out for a model, or null where it is not yet.</summary>
    /// <exception cref="ObjectDisposedException">The adapter is disposed.</exception>
    internal BoundAdapter? FindBound(object model)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _bound.TryGetValue(model, out var bound) ? bound : null;
        }
    }

    /// <summary>The adapter laid out for a model; made at the first call and kept as long as the model lives. Later calls allocate nothing.</summary>
    /// <param name="model">Stands for the model; the adapter does not keep it alive.</param>
    /// <param name="weights">The model's weights.</param>
    /// <param name="findKernel">The number of the model's kernel for A: type, rows (the stacked rank), columns.</param>
    /// <exception cref="InvalidDataException">The adapter does not fit the model: path, tensor, found, expected.</exception>
    /// <exception cref="ObjectDisposedException">The adapter is disposed.</exception>
    internal BoundAdapter BindTo(object model, ModelWeights weights, Func<ElementType, int, int, int> findKernel)
    {
        // One at a time, but not in the way of who only counts uses: it reads all of the adapter, and for its hash perhaps all of the model.
        lock (_binding)
        {
            if (FindBound(model) is { } known) return known;
            AddUse();
            try
            {
                var bound = Bind(weights, findKernel);
                lock (_lock) _bound.Add(model, bound);
                return bound;
            }
            finally
            {
                ReleaseUse();
            }
        }
    }

    /// <summary>Refuses to act beside another adapter on a model of the shape.</summary>
    /// <exception cref="InvalidOperationException">Both replace the same tensor.</exception>
    internal void RefuseConflict(LoraAdapter other, ModelShape shape)
    {
        if (other.Content.ConflictWith(_content, shape) is { } tensor) throw new InvalidOperationException($"The adapters {Path} and {other.Path} both replace {tensor}: only one of them can do so at a time.");
    }

    /// <summary>Whether every tensor has its place in a model; nothing is laid out.</summary>
    /// <exception cref="InvalidDataException">The adapter does not fit the model: path, tensor, found, expected.</exception>
    internal void CheckFits(ModelWeights weights) => AdapterBinder.Check(_content, weights);

    /// <summary>The adapter laid out for a model, owned by the caller.</summary>
    /// <exception cref="InvalidDataException">The adapter does not fit the model: path, tensor, found, expected.</exception>
    internal BoundAdapter Bind(ModelWeights weights, Func<ElementType, int, int, int> findKernel) => AdapterBinder.Bind(this, _content, weights, findKernel);

    /// <summary>Frees what was laid out for a model that is disposed.</summary>
    internal void Release(object model)
    {
        lock (_lock)
        {
            if (!_bound.TryGetValue(model, out var bound)) return;
            _bound.Remove(model);
            bound.Dispose();
        }
    }

    private void Free()
    {
        foreach (var (_, bound) in _bound) bound.Dispose();
        _bound.Clear();
        _content.Dispose();
    }

    // The format has no place for these, and nothing must be lost silently.
    private void RefuseForGguf()
    {
        foreach (var tensor in _content.Others)
            if (tensor.IsApplied) throw new InvalidOperationException($"{Path}: {tensor.Matrix.Tensor} cannot be saved as GGUF, which holds A and B only: save it for PEFT, or merge it into the model.");
    }

    private static string NameOf(string path)
    {
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        var name = System.IO.Path.GetFileNameWithoutExtension(full);
        if (Directory.Exists(full)) return System.IO.Path.GetFileName(full);
        // PEFT's and mlx-lm's own file names say nothing; the folder does.
        return name is "adapter_model" or "adapters" && System.IO.Path.GetFileName(System.IO.Path.GetDirectoryName(full)) is { Length: > 0 } folder ? folder : name;
    }
}
