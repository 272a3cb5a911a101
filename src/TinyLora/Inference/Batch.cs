namespace TinyLora.Inference;

/// <summary>Sessions of one model that compute together in one pass over its weights, each with its own adapters. A row equals the session alone, bit for bit.</summary>
public sealed unsafe class Batch : IDisposable
{
    /// <summary>Sessions that a batch can hold.</summary>
    public const int Capacity = Activations.MaxRows;

    private readonly Session[] _sessions;
    private readonly Model _model;
    private readonly LogitRows _logits;
    // Each session's tokens in the pass at work.
    private readonly int[] _counts;
    private bool _disposed;

    /// <param name="sessions">1 to <see cref="Capacity"/>; row i of the batch is the i-th.</param>
    /// <exception cref="ArgumentException">There are none or too many, one is null or stands twice, or they are of different models.</exception>
    public Batch(params ReadOnlySpan<Session> sessions)
    {
        if (sessions.Length is 0 or > Capacity) throw new ArgumentException($"{sessions.Length} sessions; expected 1 to {Capacity}.", nameof(sessions));
        foreach (var session in sessions)
            if (session == null) throw new ArgumentException("A session is null.", nameof(sessions));
        _sessions = sessions.ToArray();
        _model = _sessions[0].Model;
        for (var i = 0; i < _sessions.Length; i++)
        {
            if (_sessions[i].Model != _model) throw new ArgumentException("The sessions are of different models.", nameof(sessions));
            if (Array.IndexOf(_sessions, _sessions[i]) != i) throw new ArgumentException("A session stands twice in the batch.", nameof(sessions));
        }
        _logits = new LogitRows(_sessions.Length, _model.Shape.VocabularySize);
        _counts = new int[_sessions.Length];
    }

    /// <summary>Its sessions, a row each.</summary>
    public IReadOnlyList<Session> Sessions => _sessions;

    /// <summary>Appends one token to each session, [Sessions.Count], and computes the logits of all. No call allocates.</summary>
    /// <exception cref="ArgumentException">Another number of tokens, a token outside the vocabulary, or a full session; all sessions are as before.</exception>
    /// <exception cref="ObjectDisposedException">The batch, one of its sessions, an adapter of one or the model is disposed, perhaps meanwhile; all other sessions are as before.</exception>
    public void Decode(ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (tokens.Length != _sessions.Length) throw new ArgumentException($"{tokens.Length} tokens for {_sessions.Length} sessions.", nameof(tokens));
        Array.Fill(_counts, 1);
        Compute(tokens, _counts, isPrompt: false);
    }

    /// <summary>Appends a prompt to each session, of different lengths if need be, and computes the logits after the last token of each. No call allocates.</summary>
    /// <param name="tokens">All prompts, one after the other.</param>
    /// <param name="counts">The tokens of each, [Sessions.Count], at least 1.</param>
    /// <exception cref="ArgumentException">Other counts, a token outside the vocabulary, or a prompt that does not fit; all sessions are as before.</exception>
    /// <exception cref="ObjectDisposedException">As <see cref="Decode"/>.</exception>
    public void Prefill(ReadOnlySpan<int> tokens, ReadOnlySpan<int> counts)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (counts.Length != _sessions.Length) throw new ArgumentException($"{counts.Length} prompts for {_sessions.Length} sessions.", nameof(counts));
        var sum = 0L;
        foreach (var count in counts)
        {
            if (count < 1) throw new ArgumentException($"A prompt of {count} tokens; expected at least 1.", nameof(counts));
            sum += count;
        }
        if (sum != tokens.Length) throw new ArgumentException($"{tokens.Length} tokens for prompts of {sum}.", nameof(tokens));
        Compute(tokens, counts, isPrompt: true);
    }

    /// <summary>The logits of a row, [VocabularySize]; valid until the next <see cref="Decode"/> or <see cref="Prefill"/>.</summary>
    public ReadOnlySpan<float> Logits(int row)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, _sessions.Length);
        return _logits.Row(row);
    }

    /// <summary>Ends the batch; the sessions live on.</summary>
    public void Dispose() => _disposed = true;

    private void Compute(ReadOnlySpan<int> tokens, ReadOnlySpan<int> counts, bool isPrompt)
    {
        for (int i = 0, at = 0; i < counts.Length; at += counts[i++]) _sessions[i].CheckRoom(tokens.Slice(at, counts[i]));
        for (int i = 0, at = 0; i < counts.Length; at += counts[i++]) _sessions[i].Append(tokens.Slice(at, counts[i]), isPrompt);
        try
        {
            for (var isFirst = true; !Pass(isFirst); isFirst = false) { }
        }
        catch (ObjectDisposedException)
        {
            foreach (var session in _sessions) session.TakeBack();
            throw;
        }
        GC.KeepAlive(this);
    }

    /// <summary>One pass over the weights: as much as it can hold of what the sessions' caches lack, after a change of adapters their past too.</summary>
    /// <returns>Whether it was the last, which computes the logits.</returns>
    private bool Pass(bool isFirst)
    {
        using var turn = _model.TakeTurn();
        var left = 0L;
        foreach (var session in _sessions)
        {
            if (isFirst) session.Refresh();
            left += session.Uncomputed;
        }
        var isLast = left <= Activations.MaxRows;
        var room = Activations.MaxRows;
        for (var i = 0; i < _sessions.Length; i++)
        {
            // The last token of each waits for the others.
            var count = isLast ? _sessions[i].Uncomputed : Math.Min(_sessions[i].Uncomputed - 1, room);
            if (count > 0) _sessions[i].Join(turn.Step, count, isLast ? 1 : 0);
            _counts[i] = count;
            room -= count;
        }
        turn.Step.Logits = _logits.Pointer;
        turn.Step.LogitsStride = _logits.Stride;
        turn.Run();
        for (var i = 0; i < _sessions.Length; i++) _sessions[i].TakeComputed(_counts[i]);
        return isLast;
    }
}
