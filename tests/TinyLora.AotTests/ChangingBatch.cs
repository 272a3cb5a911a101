using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.AotTests;

/// <summary>Eight sequences that decode together while their adapter sets change at random, the same way at every run.</summary>
internal sealed class ChangingBatch : IDisposable
{
    private const int SequenceCount = 8, StepsPerRewind = 8;

    private readonly LoraAdapter[] _adapters;
    private readonly Session[] _sessions = new Session[SequenceCount];
    private readonly int[] _tokens = new int[SequenceCount];
    private readonly Batch _batch;

    public ChangingBatch(Model model, LoraAdapter[] adapters)
    {
        _adapters = adapters;
        for (int i = 0; i < SequenceCount; i++)
        {
            // Every other one keeps its past, the others compute it again after each change.
            _sessions[i] = model.CreateSession(new SessionOptions { ContextLength = StepsPerRewind, KeepCache = i % 2 == 0 });
            foreach (var adapter in adapters)
                _sessions[i].Adapters.Add(adapter);
        }
        _batch = new Batch(_sessions);
    }

    public void Decode(int stepCount)
    {
        uint random = 1;
        for (int step = 0; step < stepCount; step++)
        {
            for (int i = 0; i < SequenceCount; i++)
            {
                if (step % StepsPerRewind == 0)
                    _sessions[i].Rewind(0);
                // Knuth's linear congruence; its upper bits are used.
                random = 1664525 * random + 1013904223;
                Change(_sessions[i].Adapters, _adapters[(random >> 24) % _adapters.Length], random >> 28);
                _tokens[i] = (int)((random >> 8) % _sessions[i].Model.Shape.VocabularySize);
            }
            _batch.Decode(_tokens);
        }
    }

    public void Dispose()
    {
        _batch.Dispose();
        foreach (var session in _sessions)
            session.Dispose();
    }

    private static void Change(AdapterSet set, LoraAdapter adapter, uint choice)
    {
        if (choice < 4)
            adapter.Scale = 0.5f * choice;
        else if (choice < 8)
            set.Clear();
        else if (!set.Remove(adapter))
            set.Add(adapter);
    }
}
