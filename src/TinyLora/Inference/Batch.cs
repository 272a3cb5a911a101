using TinyLora.Numerics;

namespace TinyLora.Inference;

/// <summary>Sessions of one model that decode together in one pass over its weights, each with its own adapters. A row equals the session alone, bit for bit.</summary>
public sealed unsafe class Batch : IDisposable
{
    /// <summary>Sessions that a batch can hold.</summary>
    public const int Capacity = Activations.MaxRows;

    private readonly Session[] _sessions;
    private readonly Model _model;
    private readonly AlignedBuffer _logits;
    private readonly int _stride;

    /// <exception cref="ArgumentException">There are none or too many, one stands twice, or they are of different models.</exception>
    public Batch(params ReadOnlySpan<Session> sessions)
    {
        if (sessions.Length is 0 or > Capacity) throw new ArgumentException($"{sessions.Length} sessions; expected 1 to {Capacity}.", nameof(sessions));
        _sessions = sessions.ToArray();
        _model = _sessions[0].Model;
        for (var i = 0; i < _sessions.Length; i++)
        {
            if (_sessions[i].Model != _model) throw new ArgumentException("The sessions are of different models.", nameof(sessions));
            if (Array.IndexOf(_sessions, _sessions[i]) != i) throw new ArgumentException("A session stands twice in the batch.", nameof(sessions));
        }
        _stride = Activations.Stride(_model.Shape.VocabularySize);
        _logits = AlignedBuffer.OfFloats((long)_stride * _sessions.Length);
    }

    /// <summary>Its sessions, a row each.</summary>
    public IReadOnlyList<Session> Sessions => _sessions;

    /// <summary>Appends one token to each session, [Sessions.Count], and computes the logits of all. No call allocates.</summary>
    /// <exception cref="ArgumentException">Another number of tokens, a token outside the vocabulary, or a full session; sessions before it have taken their token.</exception>
    public void Decode(ReadOnlySpan<int> tokens)
    {
        if (tokens.Length != _sessions.Length) throw new ArgumentException($"{tokens.Length} tokens for {_sessions.Length} sessions.", nameof(tokens));
        for (var i = 0; i < tokens.Length; i++)
        {
            _sessions[i].Append(tokens.Slice(i, 1));
            // After a change of adapters a session's past comes first, on its own.
            _sessions[i].CatchUp(1);
        }
        using var turn = _model.TakeTurn();
        foreach (var session in _sessions) session.Join(turn.Step);
        turn.Step.Logits = _logits.Floats;
        turn.Step.LogitsStride = _stride;
        turn.Run();
    }

    /// <summary>The logits of a row, [VocabularySize]; valid until the next <see cref="Decode"/>.</summary>
    public ReadOnlySpan<float> Logits(int row)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, _sessions.Length);
        return new ReadOnlySpan<float>(_logits.Floats + row * (nint)_stride, _model.Shape.VocabularySize);
    }

    /// <summary>Frees the batch's memory; the sessions live on.</summary>
    public void Dispose() => _logits.Dispose();
}
