using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Tests.Laws;

/// <summary>Work of a running program that must not allocate a byte.</summary>
internal sealed class AllocationLaws : IDisposable
{
    private const int WarmUpSteps = 40;

    private readonly Model _model;
    private readonly LoraAdapter _pirate, _grumpy, _bard;
    private readonly Session _keeping, _fresh;
    private readonly Session[] _rows;
    private readonly Session[] _eight;
    private readonly Batch _batch;
    private readonly Batch _changing;
    private readonly int[] _prompt = new int[200];
    private readonly int[] _tokens = new int[400];
    private readonly byte[] _text = "Ahoy! \u2693 How do I get to the mill, and what is LoRA? 1234 caf\u00e9"u8.ToArray();
    private readonly byte[] _decoded = new byte[256];

    public AllocationLaws(Model model, string adapters)
    {
        _model = model;
        (_pirate, _grumpy, _bard) = (Open("pirate"), Open("grumpy"), Open("bard"));
        _keeping = Create(keepCache: true);
        _fresh = Create(keepCache: false);
        _rows = [Create(false), Create(true), Create(true)];
        _batch = new Batch(_rows);
        _eight = [Create(false), Create(true), Create(true), Create(true), Create(true), Create(true), Create(true), Create(true)];
        _changing = new Batch(_eight);
        for (var i = 0; i < _prompt.Length; i++) _prompt[i] = (i * 37 + 3) % model.Shape.VocabularySize;

        LoraAdapter Open(string name) => new(Path.Combine(adapters, name));

        Session Create(bool keepCache)
        {
            var session = model.CreateSession(new SessionOptions { ContextLength = 256, KeepCache = keepCache });
            session.Adapters.Add(_bard);
            session.Adapters.Add(_grumpy);
            session.Adapters.Remove(_bard);
            session.Adapters.Add(_pirate);
            return session;
        }
    }

    /// <summary>Each does its work a number of times.</summary>
    /// <param name="steps">Steps of those that change adapters.</param>
    public (string Name, Action<int> Work, int Steps)[] All(int steps) =>
    [
        ($"{steps} steps, scales changed at each, a switch every ten, cache kept", count => Decode(_keeping, 200, count), steps),
        ($"{steps} steps, scales changed at each, a switch every ten, past computed again", count => Decode(_fresh, 5, count), steps),
        ("prefill", _ => Prefill(), 1),
        ("batch", DecodeBatch, 20),
        ("prompts of a batch", _ => PrefillBatch(), 1),
        ($"{steps} steps of a batch of eight whose sets and scales change at random", DecodeChanging, steps),
        ("text", EncodeAndDecode, 10),
    ];

    /// <summary>Warms up, then does the work: bytes that the calling thread took.</summary>
    public static long Measure(Action<int> work, int steps)
    {
        work(Math.Min(steps, WarmUpSteps));
        var before = GC.GetAllocatedBytesForCurrentThread();
        work(steps);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    public void Dispose()
    {
        _batch.Dispose();
        _changing.Dispose();
        foreach (var session in _rows) session.Dispose();
        foreach (var session in _eight) session.Dispose();
        _keeping.Dispose();
        _fresh.Dispose();
        _pirate.Dispose();
        _grumpy.Dispose();
        _bard.Dispose();
    }

    private void Decode(Session session, int room, int steps)
    {
        session.Rewind(0);
        for (var step = 0; step < steps; step++)
        {
            if (session.Position == room) session.Rewind(0);
            _pirate.Scale = 0.001f * step;
            _grumpy.Scale = 1 - 0.002f * step;
            if (step % 10 == 9)
            {
                var (off, on) = step % 20 == 9 ? (_pirate, _bard) : (_bard, _pirate);
                session.Adapters.Remove(off);
                session.Adapters.Add(on);
            }
            session.Decode(_prompt[step % _prompt.Length]);
        }
    }

    private void Prefill()
    {
        _fresh.Rewind(0);
        _fresh.Prefill(_prompt);
    }

    private void DecodeBatch(int steps)
    {
        foreach (var row in _rows) row.Rewind(0);
        for (var step = 0; step < steps; step++)
        {
            _grumpy.Scale = 0.1f * step;
            _batch.Decode(_prompt.AsSpan(step, _rows.Length));
        }
    }

    private void PrefillBatch()
    {
        foreach (var row in _rows) row.Rewind(0);
        _batch.Prefill(_prompt, [120, 1, 79]);
    }

    private void DecodeChanging(int steps)
    {
        var random = 1u;
        for (var step = 0; step < steps; step++)
        {
            // Short pasts: the first session computes its own again after each change, the others keep theirs.
            if (step % 4 == 0)
                foreach (var session in _eight) session.Rewind(0);
            foreach (var session in _eight)
            {
                // Knuth's linear congruence; its upper bits are used.
                random = 1664525 * random + 1013904223;
                var adapter = ((random >> 24) % 3) switch { 0 => _pirate, 1 => _grumpy, _ => _bard };
                if ((random >> 28) % 4 == 0) adapter.Scale = (random >> 20) % 8 * 0.25f;
                else if ((random >> 28) % 4 == 1) session.Adapters.Clear();
                else if (!session.Adapters.Remove(adapter)) session.Adapters.Add(adapter);
            }
            _changing.Decode(_prompt.AsSpan(step % 100, _eight.Length));
        }
    }

    private void EncodeAndDecode(int steps)
    {
        var tokenizer = _model.Tokenizer;
        for (var i = 0; i < steps; i++)
        {
            var count = tokenizer.Encode(_text, _tokens);
            for (var t = 0; t < count; t++) tokenizer.Decode(_tokens[t], _decoded);
        }
    }
}
