using System.ComponentModel;
using System.Runtime.CompilerServices;
using TinyLora.Adapters;
using TinyLora.Errors;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Tokenization;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>A language model whose weights are mapped from a file and shared by its sessions.</summary>
/// <remarks>Sessions may live on different threads: their steps take turns, each on all of the model's workers.</remarks>
public abstract class Model : IAdapterHost, IDisposable
{
    private const int MaxThreadCount = 256;

    private readonly Activations _activations;
    private readonly Workers _workers;
    private readonly StepContext _context;
    private readonly Lock _turn = new();
    // Held while the mapping is read beside the steps; taken before _turn.
    private readonly Lock _reading = new();
    // Weak: an adapter that is disposed is forgotten.
    private readonly ConditionalWeakTable<LoraAdapter, BoundAdapter> _known = [];
    // Kept: a delegate made at each call would be garbage.
    private readonly Func<ElementType, int, int, int> _findKernel;
    private Tokenizer? _tokenizer;
    private bool _disposed;

    /// <summary>Opens the file and compares it with what the class was compiled for.</summary>
    /// <param name="path">A GGUF file or a Hugging Face folder.</param>
    /// <param name="options">Threads and instruction set.</param>
    /// <param name="declaration">What a generated class was compiled for; null for any model.</param>
    [EditorBrowsable(EditorBrowsableState.Never)]
    protected Model(string path, ModelOptions? options, ModelDeclaration? declaration)
    {
        options ??= new ModelOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.ThreadCount, nameof(options.ThreadCount));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.ThreadCount, MaxThreadCount, nameof(options.ThreadCount));
        InstructionSet = options.InstructionSet ?? InstructionSet.Current;
        if (!InstructionSet.IsSupported) InstructionSet.Find(InstructionSet.Name);
        _findKernel = Kernel;
        Weights = ModelWeights.Open(path);
        try
        {
            if (declaration?.Compare(Weights) is { Count: > 0 } differences) throw new ModelMismatchException(path, differences);
            Number(ref Weights.Head);
            foreach (var layer in Weights.Layers)
            {
                Number(ref layer.Query);
                Number(ref layer.Key);
                Number(ref layer.Value);
                Number(ref layer.Output);
                Number(ref layer.Gate);
                Number(ref layer.Up);
                Number(ref layer.Down);
            }
            ThreadCount = options.ThreadCount == 0 ? Math.Min(Environment.ProcessorCount, MaxThreadCount) : options.ThreadCount;
            _activations = new Activations(Weights.Shape, ThreadCount);
            _workers = new Workers(ThreadCount, Run);
            _context = new StepContext(Weights, _activations, _workers, new Step());
            DefaultAdapters = new AdapterSet(this, null);
        }
        catch
        {
            _workers?.Dispose();
            _activations?.Dispose();
            Weights.Dispose();
            throw;
        }
    }

    /// <summary>Opens a GGUF file or a Hugging Face folder with the kernels whose sizes are parameters.</summary>
    /// <remarks>The weights stay in the file: it may be moved, deleted or replaced by another while the model is open, but not written to or cut.</remarks>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what is not supported.</exception>
    /// <exception cref="FileNotFoundException">There is nothing at the path.</exception>
    public static Model Open(string path, ModelOptions? options = null) => new ParametricModel(path, options);

    /// <summary>Path of the file or folder.</summary>
    public string Path => Weights.Path;

    /// <summary>Sizes and constants.</summary>
    public ModelShape Shape => Weights.Shape;

    /// <summary>Threads that share a step, the caller's included.</summary>
    public int ThreadCount { get; }

    /// <summary>The instruction set whose kernels are in use.</summary>
    public InstructionSet InstructionSet { get; }

    /// <summary>Text to tokens and back.</summary>
    /// <exception cref="InvalidDataException">The file has no tokenizer, or one that is not supported.</exception>
    public Tokenizer Tokenizer
    {
        get
        {
            // It reads the mapping, which must not go meanwhile.
            lock (_turn)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _tokenizer ??= Weights.Gguf is { } gguf ? Tokenizer.FromGguf(gguf) : Tokenizer.Open(Weights.Folder!);
            }
        }
    }

    /// <summary>What tells the model from others, to be stored in an adapter that is made for it (<see cref="LoraAdapter.SavePeft"/>, <see cref="LoraAdapter.SaveGguf"/>).</summary>
    /// <remarks>Computed at the first call.</remarks>
    /// <param name="kind">What has to be the same in the models that the adapter goes on.</param>
    public ModelHash ComputeHash(ModelHashKind kind = ModelHashKind.Norms)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)kind, (uint)ModelHashKind.Weights, nameof(kind));
        lock (_reading)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return Weights.Hash(kind);
        }
    }

    /// <summary>The adapters of every session that has no set of its own.</summary>
    public IReadOnlyList<LoraAdapter> Adapters => DefaultAdapters;

    internal ModelWeights Weights { get; }

    internal AdapterSet DefaultAdapters { get; }

    bool IAdapterHost.IsDisposed => _disposed;

    Lock IAdapterHost.Gate { get; } = new();

    int IAdapterHost.RankRoom => _activations.LoraStride;

    /// <summary>Checks an adapter against the model and puts it on.</summary>
    /// <exception cref="InvalidDataException">It does not fit the model: tensor, found, expected.</exception>
    /// <exception cref="InvalidOperationException">It is on already.</exception>
    public void ApplyLoraAdapter(LoraAdapter adapter) => DefaultAdapters.Add(adapter);

    /// <summary>Takes the adapter off; false if it was not on.</summary>
    public bool RemoveLoraAdapter(LoraAdapter adapter) => DefaultAdapters.Remove(adapter);

    /// <summary>A new, empty sequence.</summary>
    public Session CreateSession(SessionOptions? options = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Session(this, options ?? new SessionOptions());
    }

    /// <summary>Stops the workers and unmaps the weights. The model's sessions cannot be used any more.</summary>
    public void Dispose()
    {
        lock (_reading)
        lock (_turn)
        {
            if (_disposed) return;
            _disposed = true;
            DefaultAdapters.Close();
            foreach (var (adapter, _) in _known) adapter.Release(this);
            _workers.Dispose();
            _context.Step.Dispose();
            _activations.Dispose();
            Weights.Dispose();
        }
        GC.SuppressFinalize(this);
    }

    /// <summary>The number of the kernel for W [rows, columns]; ~type where there is none of its own.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    protected abstract int FindKernel(ElementType type, int rows, int columns);

    /// <summary>One worker's part of a step: <see cref="Run{TKernels}"/> with the kernels of <see cref="InstructionSet"/>.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    protected abstract void Run(int worker);

    /// <summary>One worker's part of a step with these kernels.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    protected void Run<TKernels>(int worker)
        where TKernels : struct, IModelKernels
        => ForwardPass.Run<TKernels>(_context, worker);

    /// <summary>Waits for the workers and an empty step; they are the caller's until it is disposed.</summary>
    internal Turn TakeTurn()
    {
        _turn.Enter();
        if (_disposed)
        {
            _turn.Exit();
            ObjectDisposedException.ThrowIf(true, this);
        }
        _context.Step.Clear();
        return new Turn(this);
    }

    internal void ReserveContext(int positions)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _activations.ReserveContext(positions);
        }
    }

    /// <summary>Waits for a running step; none begins until the scope is disposed.</summary>
    internal Lock.Scope Pause() => _turn.EnterScope();

    void IAdapterHost.ReserveRanks(int ranks)
    {
        lock (_turn)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _activations.ReserveRanks(ranks);
        }
    }

    BoundAdapter IAdapterHost.Bind(LoraAdapter adapter)
    {
        if (adapter.FindBound(this) is { } known) return known;
        lock (_reading)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var bound = adapter.BindTo(this, Weights, _findKernel);
            _known.TryAdd(adapter, bound);
            return bound;
        }
    }

    // The twin knows no numbers but those of the types.
    private int Kernel(ElementType type, int rows, int columns) => InstructionSet == InstructionSet.Scalar ? ~(int)type : FindKernel(type, rows, columns);

    private void Number(ref Linear linear) => linear.Kernel = Kernel(linear.Type, linear.Rows, linear.Columns);

    /// <summary>The workers, held by one caller.</summary>
    internal readonly ref struct Turn(Model model)
    {
        public Step Step => model._context.Step;

        public void Run() => model._workers.Run();

        public void Dispose() => model._turn.Exit();
    }
}
