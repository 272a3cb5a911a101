namespace TinyLora.Inference;

/// <summary>Sessions of one model that decode together in one pass over its weights, each with its own adapters. A row equals the session alone, bit for bit.</summary>
public sealed unsafe class Batch : IDisposable
{
    /// <summary>Sessions that a batch can hold.</summary>
    public const int Capacity = Activations.MaxRows;

    private readonly Session[] _sessions;
    private readonly Model _model;
    private readonly LogitRows _logits;
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
    }

    /// <summary>Its sessions, a row each.</summary>
    public IReadOnlyList<Session> Sessions => _sessions;

    /// <summary>Appends one token to each session, [Sessions.Count], and computes the logits of all. No call allocates.</summary>
    /// <exception cref="ArgumentException">Another number of tokens, a token outside the vocabulary, or a full session; all sessions are as before.</exception>
    /// <exception cref="ObjectDisposedException">The batch, one of its sessions or the model is disposed.</exception>
    public void Decode(ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (tokens.Length != _sessions.Length) throw new ArgumentException($"{tokens.Length} tokens for {_sessions.Length} sessions.", nameof(tokens));
        for (var i = 0; i < tokens.Length; i++) _sessions[i].CheckRoom(tokens.Slice(i, 1));
        for (var i = 0; i < tokens.Length; i++)
        {
            _sessions[i].Append(tokens.Slice(i, 1));
            // After a change of adapters a session's past comes first, on its own.
            _sessions[i].CatchUp(1);
        }
        using var turn = _model.TakeTurn();
        foreach (var session in _sessions) session.Join(turn.Step);
        turn.Step.Logits = _logits.Pointer;
        turn.Step.LogitsStride = _logits.Stride;
        turn.Run();
        GC.KeepAlive(this);
    }

    /// <summary>The logits of a row, [VocabularySize]; valid until the next <see cref="Decode"/>.</summary>
    public ReadOnlySpan<float> Logits(int row)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, _sessions.Length);
        return _logits.Row(row);
    }

    /// <summary>Ends the batch; the sessions live on.</summary>
    public void Dispose() => _disposed = true;
}
