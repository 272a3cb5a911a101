using TinyLora.Numerics;

namespace TinyLora.Sampling;

/// <summary>
/// Chooses the next token. All its memory is taken at creation; a call allocates nothing. Two samplers of the same options and seed make the
/// same choices for the same logits on every machine: the arithmetic is our own. Not for use by two threads at once.
/// </summary>
/// <remarks>Where two logits are equal the lower id comes first, in every step.</remarks>
public sealed class Sampler
{
    private readonly int[] _ids;
    private readonly float[] _logits;
    private readonly float[] _weights;
    private readonly bool[] _seen;
    private RandomState _random;

    /// <param name="vocabularySize">Count of logits.</param>
    /// <param name="options">How to choose; the defaults of <see cref="SamplingOptions"/> where null.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="vocabularySize"/> is not positive.</exception>
    public Sampler(int vocabularySize, SamplingOptions? options = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        Options = options ?? new SamplingOptions();
        VocabularySize = vocabularySize;
        _ids = new int[vocabularySize];
        _logits = new float[vocabularySize];
        _weights = new float[vocabularySize];
        _seen = new bool[vocabularySize];
        Seed = Options.Seed ?? RandomState.RandomSeed();
        _random = new RandomState(Seed);
    }

    /// <summary>How it chooses.</summary>
    public SamplingOptions Options { get; }

    /// <summary>Count of logits.</summary>
    public int VocabularySize { get; }

    /// <summary>The seed in use: the options' one, or the random one that was drawn at creation.</summary>
    public ulong Seed { get; private set; }

    /// <summary>Begins the random sequence anew; with null from a random seed.</summary>
    public void Reset(ulong? seed)
    {
        Seed = seed ?? RandomState.RandomSeed();
        _random = new RandomState(Seed);
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">[VocabularySize]; negative infinity excludes a token.</param>
    /// <param name="history">The tokens so far, for the repetition penalty; may be empty.</param>
    /// <exception cref="ArgumentException">The count of logits is not the vocabulary's.</exception>
    /// <exception cref="InvalidOperationException">A logit is NaN or positive infinity, or none is finite.</exception>
    public int Sample(ReadOnlySpan<float> logits, ReadOnlySpan<int> history)
    {
        if (logits.Length != VocabularySize)
            throw new ArgumentException($"{logits.Length} logits for a vocabulary of {VocabularySize}.", nameof(logits));
        logits.CopyTo(_logits);
        Penalize(history);
        var best = Likeliest();
        if (Options.Temperature == 0f || Options.TopK == 1) return best;
        var count = Candidates(_logits[best]);
        count = TopP(count);
        count = MinP(count);
        return Draw(count);
    }

    private void Penalize(ReadOnlySpan<int> history)
    {
        var penalty = Options.RepetitionPenalty;
        if (penalty == 1f) return;
        if (history.Length > Options.RepetitionWindow) history = history[^Options.RepetitionWindow..];
        foreach (var id in history)
        {
            if ((uint)id >= (uint)VocabularySize || _seen[id]) continue;
            _seen[id] = true;
            var logit = _logits[id];
            _logits[id] = logit > 0f ? logit / penalty : logit * penalty;
        }
        foreach (var id in history)
        {
            if ((uint)id < (uint)VocabularySize) _seen[id] = false;
        }
    }

    private int Likeliest()
    {
        var best = -1;
        var highest = float.NegativeInfinity;
        for (var i = 0; i < _logits.Length; i++)
        {
            var logit = _logits[i];
            if (logit > highest)
            {
                highest = logit;
                best = i;
            }
            if (float.IsNaN(logit) || logit == float.PositiveInfinity)
                throw new InvalidOperationException($"The logit of token {i} is {(float.IsNaN(logit) ? "NaN" : "infinite")}: the model's output cannot be used.");
        }
        return best >= 0 ? best : throw new InvalidOperationException("No logit is finite: the model's output cannot be used.");
    }

    /// <summary>Fills _ids with the candidates that top-k leaves, likeliest first as far as it matters, and _weights with e^(logit − highest).</summary>
    private int Candidates(float highest)
    {
        var count = 0;
        var k = Options.TopK;
        if (k > 0 && k < VocabularySize)
        {
            // A heap with the worst of the best k on top: most of the vocabulary is dismissed by one comparison.
            for (var i = 0; i < _logits.Length; i++)
            {
                if (_logits[i] == float.NegativeInfinity) continue;
                if (count < k)
                {
                    _ids[count] = i;
                    CandidateHeap.RaiseWorst(_ids, _logits, count++);
                }
                else if (_logits[i] > _logits[_ids[0]])
                {
                    _ids[0] = i;
                    CandidateHeap.SinkWorst(_ids, _logits, 0, count);
                }
            }
            CandidateHeap.SortBestFirst(_ids, _logits, count);
        }
        else
        {
            for (var i = 0; i < _logits.Length; i++)
            {
                if (_logits[i] != float.NegativeInfinity) _ids[count++] = i;
            }
        }
        for (var i = 0; i < count; i++) _weights[i] = Elementary.Exp(_logits[_ids[i]] - highest);
        return count;
    }

    /// <summary>The shortest likeliest-first run whose probabilities sum to at least top-p.</summary>
    private int TopP(int count)
    {
        if (Options.TopP >= 1f) return count;
        var total = 0.0;
        for (var i = 0; i < count; i++) total += _weights[i];
        var enough = total * Options.TopP;
        var sorted = Options.TopK > 0 && Options.TopK < VocabularySize;
        var sum = 0.0;
        if (sorted)
        {
            for (var i = 0; i < count; i++)
            {
                sum += _weights[i];
                if (sum >= enough) return i + 1;
            }
            return count;
        }
        // Not sorted: the best are taken one by one off a heap, which is only as much order as the run needs.
        CandidateHeap.MakeBest(_ids, _logits, count);
        var left = count;
        while (left > 0)
        {
            var id = _ids[0];
            _ids[0] = _ids[--left];
            CandidateHeap.SinkBest(_ids, _logits, 0, left);
            _ids[left] = id; // likeliest last: turned round below
            sum += Elementary.Exp(_logits[id] - _logits[_ids[count - 1]]);
            if (sum >= enough) break;
        }
        var taken = count - left;
        _ids.AsSpan(left, taken).Reverse();
        _ids.AsSpan(left, taken).CopyTo(_ids);
        for (var i = 0; i < taken; i++) _weights[i] = Elementary.Exp(_logits[_ids[i]] - _logits[_ids[0]]);
        return taken;
    }

    private int MinP(int count)
    {
        if (Options.MinP <= 0f) return count;
        // The highest weight is e^0 = 1, so a weight is already the ratio to it.
        var kept = 0;
        for (var i = 0; i < count; i++)
        {
            if (_weights[i] < Options.MinP) continue;
            _ids[kept] = _ids[i];
            _weights[kept++] = _weights[i];
        }
        return kept;
    }

    private int Draw(int count)
    {
        var highest = float.NegativeInfinity;
        for (var i = 0; i < count; i++) highest = MathF.Max(highest, _logits[_ids[i]]);
        var total = 0.0;
        for (var i = 0; i < count; i++)
        {
            _weights[i] = Elementary.Exp((_logits[_ids[i]] - highest) / Options.Temperature);
            total += _weights[i];
        }
        var target = _random.NextDouble() * total;
        var sum = 0.0;
        var last = 0;
        for (var i = 0; i < count; i++)
        {
            if (_weights[i] == 0f) continue;
            last = i;
            sum += _weights[i];
            if (sum > target) break;
        }
        return _ids[last];
    }
}
