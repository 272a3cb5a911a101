using System.Collections.Concurrent;
using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Laws;
using Xunit;
using static TinyLora.Tests.Inference.Lantern;

namespace TinyLora.Tests.Inference;

/// <summary>Adapters come and go, are scaled, summed and combined on several threads at once; each session's numbers stay those that it has alone.</summary>
public sealed class AdapterStressTests : IDisposable
{
    private const int Rounds = 40, ThreadCount = 3;
    private static readonly string[] s_names = ["pirate", "grumpy", "bard"];
    private static readonly float[] s_scales = [0, 0.5f, 1, -1];
    private static readonly SessionOptions s_options = new() { ContextLength = 32, ChunkLength = 8 };

    private readonly Model _model = Open();
    private readonly ConcurrentQueue<string> _failures = [];
    private volatile bool _isOver;

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Sessions_give_their_own_numbers_while_adapters_come_and_go()
    {
        var expected = Expected();
        var sessions = Enumerable.Range(0, ThreadCount).Select(seed => new Thread(() => Guard(() => Converse(seed, expected)))).ToArray();
        var churn = new Thread(() => Guard(Churn));
        foreach (var thread in sessions) thread.Start();
        churn.Start();
        foreach (var thread in sessions) thread.Join();
        _isOver = true;
        churn.Join();
        Assert.Empty(_failures);
        Assert.Empty(_model.Adapters);
    }

    [Fact]
    public void Sequences_of_a_batch_that_change_their_sets_at_random_equal_single_runs()
    {
        var adapters = Array.ConvertAll([.. s_names, "commands"], Adapter);
        var random = new Random(8);
        for (var i = 0; i < adapters.Length; i++) adapters[i].Scale = 1 - 0.3f * i;
        var rows = Enumerable.Range(0, 8).Select(_ => _model.CreateSession(s_options)).ToArray();
        var alone = _model.CreateSession(s_options);
        // Row i begins with the i-th of eight different sets.
        for (var i = 0; i < rows.Length; i++)
            for (var a = 0; a < adapters.Length; a++)
                if (i < 4 ? a == i : i == 4 ? a < 2 : i == 5 ? a > 1 : i == 6) rows[i].Adapters.Add(adapters[a]);
        Assert.Equal(8, rows.Select(row => string.Join('+', row.Adapters.Select(adapter => adapter.Name))).Distinct().Count());
        using (var batch = new Batch(rows))
        {
            var tokens = new int[rows.Length];
            for (var step = 0; step < 24; step++)
            {
                for (var i = 0; i < tokens.Length; i++) tokens[i] = random.Next(_model.Shape.VocabularySize);
                batch.Decode(tokens);
                for (var i = 0; i < rows.Length; i++)
                {
                    if (step % 4 != 0 && i != step % 8) continue;
                    alone.Rewind(0);
                    alone.Adapters.Clear();
                    foreach (var adapter in rows[i].Adapters) alone.Adapters.Add(adapter);
                    Assert.Equal(Bits.Hash(alone.Prefill(rows[i].Tokens)), Bits.Hash(batch.Logits(i)));
                }
                foreach (var row in rows) Change(row.Adapters, adapters[random.Next(adapters.Length)]);
            }
        }
        foreach (var row in rows) row.Dispose();
        alone.Dispose();
        foreach (var adapter in adapters) adapter.Dispose();
    }

    private static void Change(AdapterSet set, LoraAdapter adapter)
    {
        if (!set.Remove(adapter)) set.Add(adapter);
    }

    /// <summary>The checksum of the logits for each scale of each of the three adapters.</summary>
    private ulong[] Expected()
    {
        var adapters = Array.ConvertAll(s_names, Adapter);
        var expected = new ulong[s_scales.Length * s_scales.Length * s_scales.Length];
        using (var session = _model.CreateSession(s_options))
        {
            foreach (var adapter in adapters) session.Adapters.Add(adapter);
            for (var i = 0; i < expected.Length; i++)
            {
                for (var a = 0; a < adapters.Length; a++) adapters[a].Scale = s_scales[i >> (2 * a) & 3];
                session.Rewind(0);
                expected[i] = Bits.Hash(session.Prefill(LanternBits.Prompt));
            }
        }
        foreach (var adapter in adapters) adapter.Dispose();
        Assert.Equal(expected.Length, expected.Distinct().Count());
        return expected;
    }

    /// <summary>One thread's session, with adapters that it loads, scales, takes off, puts on again and drops.</summary>
    private void Converse(int seed, ulong[] expected)
    {
        var random = new Random(seed);
        using var session = _model.CreateSession(s_options);
        session.Adapters.Clear();
        var adapters = new LoraAdapter?[s_names.Length];
        for (var round = 0; round < Rounds; round++)
        {
            var index = 0;
            session.Adapters.Clear();
            for (var a = 0; a < adapters.Length; a++)
            {
                if (random.Next(4) == 0)
                {
                    adapters[a]?.Dispose();
                    adapters[a] = null;
                }
                var choice = random.Next(s_scales.Length);
                index |= choice << (2 * a);
                if (s_scales[choice] == 0 && random.Next(2) == 0) continue;
                var adapter = adapters[a] ??= Adapter(s_names[a]);
                adapter.Scale = s_scales[choice];
                session.Adapters.Add(adapter);
            }
            // From somewhere in the middle, so that the past must be computed again.
            session.Rewind(random.Next(session.Position + 1));
            session.Rewind(session.Tokens.CommonPrefixLength(LanternBits.Prompt));
            if (session.Position == LanternBits.Prompt.Length) session.Rewind(session.Position - 1);
            var hash = Bits.Hash(session.Prefill(LanternBits.Prompt.AsSpan(session.Position)));
            if (hash != expected[index]) _failures.Enqueue($"session {seed}, round {round}, set {index}: {hash:x16}, alone {expected[index]:x16}");
        }
        session.Adapters.Clear();
        foreach (var adapter in adapters) adapter?.Dispose();
    }

    /// <summary>Loads, puts on for the whole model, combines, disposes in every order; sessions that follow the model come and go.</summary>
    private void Churn()
    {
        var random = new Random(99);
        while (!_isOver)
        {
            var first = Adapter(s_names[random.Next(s_names.Length)]);
            _model.ApplyLoraAdapter(first);
            using var combined = AdapterCombination.Combine(CombinationMethod.Cat, [first, first], [0.5f, 0.25f]);
            _model.ApplyLoraAdapter(combined);
            using (var follower = _model.CreateSession(s_options))
            {
                follower.Prefill(LanternBits.Prompt);
                first.Scale = 0.25f;
                follower.Decode(3);
                follower.Adapters.Remove(combined);
                first.Dispose();
                follower.Adapters.Clear();
                follower.Decode(4);
            }
            _model.RemoveLoraAdapter(first);
            _model.RemoveLoraAdapter(combined);
        }
    }

    private void Guard(Action work)
    {
        try
        {
            work();
        }
        catch (Exception failure)
        {
            _failures.Enqueue(failure.ToString());
        }
    }
}
