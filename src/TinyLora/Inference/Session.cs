using TinyLora.Adapters;
using TinyLora.Numerics;

namespace TinyLora.Inference;

/// <summary>One sequence: its tokens, its keys and values, its adapters. Not for use by two threads at once. After creation no call allocates.</summary>
public sealed unsafe class Session : IDisposable
{
    private const int DefaultContextLength = 4096;
    // Rows of logits in between: 32 MB at most.
    private const int LogitFloats = 8 << 20;

    private readonly KvCache _cache;
    private readonly int[] _tokens;
    private readonly LogitRows _logits;
    private readonly ActiveAdapters _active = new();
    private readonly int _chunk;
    private readonly bool _keepCache;
    private AlignedBuffer? _manyLogits;
    // Keys and values up to here belong to the tokens and the adapter set.
    private int _cached;
    // Tokens that were not generated: invocation tokens of adapters are looked for in them.
    private int _prompt;
    private bool _isNewPrompt;
    // As it was before the last tokens were appended.
    private (int Position, int Prompt) _before;
    private bool _disposed;

    internal Session(Model model, SessionOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.ContextLength, nameof(options.ContextLength));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.ChunkLength, 1, nameof(options.ChunkLength));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.ChunkLength, Activations.MaxRows, nameof(options.ChunkLength));
        Model = model;
        ContextLength = options.ContextLength > 0 ? options.ContextLength : Math.Min(model.Shape.ContextLength, DefaultContextLength);
        _chunk = options.ChunkLength;
        _keepCache = options.KeepCache;
        Adapters = new AdapterSet(model, model.DefaultAdapters);
        _tokens = new int[ContextLength];
        _logits = new LogitRows(1, model.Shape.VocabularySize);
        model.ReserveContext(ContextLength);
        _cache = new KvCache(model.Shape, ContextLength);
    }

    /// <summary>The model whose sequence this is.</summary>
    public Model Model { get; }

    /// <summary>Tokens that the session can hold.</summary>
    public int ContextLength { get; }

    /// <summary>Tokens that it holds.</summary>
    public int Position { get; private set; }

    /// <summary>The tokens that it holds, [Position].</summary>
    public ReadOnlySpan<int> Tokens
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _tokens.AsSpan(0, Position);
        }
    }

    /// <summary>This session's adapters: the model's, until this set is first changed.</summary>
    public AdapterSet Adapters { get; }

    /// <summary>Appends tokens and returns the logits after the last, [VocabularySize]; valid until the session's next call.</summary>
    /// <exception cref="ArgumentException">There are none, one is outside the vocabulary, or they do not fit; the session is as before.</exception>
    public ReadOnlySpan<float> Prefill(ReadOnlySpan<int> tokens)
    {
        CheckRoom(tokens);
        Append(tokens, isPrompt: true);
        return Finish();
    }

    /// <summary>Appends tokens and writes the logits after each of the last n, [n, VocabularySize], n = <paramref name="logits"/>.Length / VocabularySize.</summary>
    /// <exception cref="ArgumentException">As <see cref="Prefill(ReadOnlySpan{int})"/>, or the logits are not of 1 to tokens.Length whole rows.</exception>
    public void Prefill(ReadOnlySpan<int> tokens, Span<float> logits)
    {
        var vocabulary = Model.Shape.VocabularySize;
        if (logits.Length == 0 || logits.Length % vocabulary != 0 || logits.Length / vocabulary > tokens.Length)
            throw new ArgumentException($"Room for {logits.Length} logits; expected 1 to {tokens.Length} rows of {vocabulary}.", nameof(logits));
        BeginPrefill(tokens);
        Compute(Uncomputed, logits);
    }

    /// <summary>Appends one token and returns the logits after it, [VocabularySize]; valid until the session's next call.</summary>
    /// <exception cref="ArgumentException">It is outside the vocabulary, or the session is full.</exception>
    public ReadOnlySpan<float> Decode(int token)
    {
        var tokens = new ReadOnlySpan<int>(in token);
        CheckRoom(tokens);
        Append(tokens, isPrompt: false);
        return Finish();
    }

    /// <summary>Forgets all tokens from <paramref name="position"/> on.</summary>
    public void Rewind(int position)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(position, Position);
        Position = position;
        _cached = Math.Min(_cached, position);
        if (_prompt > position) TakePrompt(position);
    }

    /// <summary>Frees the session's memory and lets its adapters go. A step that is running is waited for; the call that it belongs to then ends with <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        using var pause = Model.Pause();
        if (_disposed) return;
        _disposed = true;
        Adapters.Close();
        _active.Clear();
        _cache.Dispose();
        _manyLogits?.Dispose();
    }

    /// <summary>Tokens of the sequence that the cache does not hold.</summary>
    internal int Uncomputed => Position - _cached;

    /// <summary>Tokens that the cache held when the last call began to compute.</summary>
    internal int ReusedCount { get; private set; }

    /// <summary>Adds tokens that <see cref="CheckRoom"/> has seen to the sequence, without computing anything.</summary>
    internal void Append(ReadOnlySpan<int> tokens, bool isPrompt)
    {
        _before = (Position, _prompt);
        tokens.CopyTo(_tokens.AsSpan(Position));
        Position += tokens.Length;
        if (isPrompt) TakePrompt(Position);
    }

    /// <summary>Undoes the last <see cref="Append"/>.</summary>
    internal void TakeBack()
    {
        Position = _before.Position;
        _cached = Math.Min(_cached, Position);
        if (_prompt != _before.Prompt) TakePrompt(_before.Prompt);
    }

    /// <summary>Appends a prompt that <see cref="Compute"/> then computes piece by piece.</summary>
    internal void BeginPrefill(ReadOnlySpan<int> tokens)
    {
        CheckRoom(tokens);
        Append(tokens, isPrompt: true);
        using var pause = Model.Pause();
        Refresh();
    }

    /// <summary>Computes the next tokens of those that are appended, and the logits after each of the last n of them, [n, VocabularySize].</summary>
    internal void Compute(int count, Span<float> logits)
    {
        var vocabulary = Model.Shape.VocabularySize;
        var rows = logits.Length / vocabulary;
        for (int n; count > rows; count -= n)
        {
            n = Math.Min(_chunk, count - rows);
            using var turn = Model.TakeTurn();
            Run(turn, n, 0, null);
        }
        var room = Math.Clamp(LogitFloats / _logits.Stride, 1, _chunk);
        for (int n; count > 0; count -= n)
        {
            n = Math.Min(room, count);
            using var turn = Model.TakeTurn();
            ObjectDisposedException.ThrowIf(_disposed, this);
            _manyLogits ??= AlignedBuffer.OfFloats((long)room * _logits.Stride);
            Run(turn, n, n, _manyLogits.Floats);
            for (var i = 0; i < n; i++, logits = logits[vocabulary..])
                new ReadOnlySpan<float>(_manyLogits.Floats + i * (nint)_logits.Stride, vocabulary).CopyTo(logits);
        }
    }

    /// <summary>The adapters that act on the sequence, as the last step took them; made anew at each call.</summary>
    internal AppliedAdapter[] TakeApplied()
    {
        // Dispose, on another thread, lets them go.
        using var pause = Model.Pause();
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _active.ToApplied();
    }

    /// <summary>Whether the tokens can be appended.</summary>
    internal void CheckRoom(ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Adapters.RefuseDisposed();
        if (tokens.IsEmpty) throw new ArgumentException("There are no tokens.", nameof(tokens));
        if (tokens.Length > ContextLength - Position)
            throw new ArgumentException($"{tokens.Length} tokens after {Position} do not fit into a session of {ContextLength}.", nameof(tokens));
        foreach (var token in tokens)
            if ((uint)token >= (uint)Model.Shape.VocabularySize)
                throw new ArgumentException($"Token {token} is outside the vocabulary of {Model.Shape.VocabularySize}.", nameof(tokens));
    }

    /// <summary>Takes the adapters as they are now, and keeps of the cache what they leave valid. The caller has the model's turn: <see cref="Dispose"/>, on another thread, lets the same adapters go.</summary>
    internal void Refresh()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var stale = _active.Refresh(Adapters, _tokens.AsSpan(0, _prompt), _isNewPrompt);
        _isNewPrompt = false;
        if (!_keepCache) _cached = Math.Min(_cached, stale);
        // The last token's logits must be computed with the set of now.
        ReusedCount = _cached = Math.Min(_cached, Position - 1);
    }

    /// <summary>Adds the next tokens to a step; <see cref="TakeComputed"/> follows when it has run.</summary>
    internal void Join(Step step, int count, int logitCount) => step.Add(_cache, _active, Tokens.Slice(_cached, count), _cached, logitCount);

    /// <summary>The cache holds so many tokens more.</summary>
    internal void TakeComputed(int count) => _cached += count;

    private void TakePrompt(int length)
    {
        _prompt = length;
        _isNewPrompt = true;
    }

    private ReadOnlySpan<float> Finish()
    {
        for (var isFirst = true; isFirst || Uncomputed > 0; isFirst = false)
        {
            using var turn = Model.TakeTurn();
            if (isFirst) Refresh();
            var count = Math.Min(_chunk, Uncomputed);
            Run(turn, count, count == Uncomputed ? 1 : 0, _logits.Pointer);
        }
        return _logits.Row(0);
    }

    private void Run(in Model.Turn turn, int count, int logitCount, float* logits)
    {
        Join(turn.Step, count, logitCount);
        turn.Step.Logits = logits;
        turn.Step.LogitsStride = _logits.Stride;
        turn.Run();
        TakeComputed(count);
    }
}
