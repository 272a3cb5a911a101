using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Laws;

/// <summary>What a session's logits depend on: its tokens and its adapters with their scales of now, and on nothing that was before or is beside it.</summary>
public sealed class SessionLawsTests : IDisposable
{
    private static readonly SessionOptions s_options = new() { ContextLength = 64, ChunkLength = 8 };

    private readonly Model _model = Model.Open(LanternFiles.Q8_0, new ModelOptions { ThreadCount = 1 });
    private readonly LoraAdapter _pirate = LanternFiles.Adapter("pirate");
    private readonly LoraAdapter _grumpy = LanternFiles.Adapter("grumpy");
    private readonly int[] _prompt = LanternBits.Prompt;

    public void Dispose()
    {
        _model.Dispose();
        _pirate.Dispose();
        _grumpy.Dispose();
    }

    [Fact]
    public void Scale_0_and_a_removed_adapter_are_the_base()
    {
        var plain = Fresh([]);
        using var session = _model.CreateSession(s_options);
        session.Adapters.Add(_pirate);
        session.Adapters.Add(_grumpy);
        Assert.NotEqual(plain, session.Prefill(_prompt).ToArray());
        (_pirate.Scale, _grumpy.Scale) = (0, 0);
        session.Rewind(0);
        Assert.Equal(plain, session.Prefill(_prompt).ToArray());
        (_pirate.Scale, _grumpy.Scale) = (1, 1);
        Assert.True(session.Adapters.Remove(_pirate));
        Assert.True(session.Adapters.Remove(_grumpy));
        Assert.False(session.Adapters.Remove(_grumpy));
        session.Rewind(0);
        Assert.Equal(plain, session.Prefill(_prompt).ToArray());
    }

    [Fact]
    public void An_adapter_of_scale_0_beside_another_changes_no_bit()
    {
        var alone = Fresh([_pirate]);
        _grumpy.Scale = 0;
        Assert.Equal(alone, Fresh([_grumpy, _pirate]));
    }

    [Fact]
    public void The_order_of_two_adapters_is_rounding_only()
    {
        var (rms, _) = GoldenTensor.Distance(Fresh([_pirate, _grumpy]), Fresh([_grumpy, _pirate]));
        var (effect, _) = GoldenTensor.Distance(Fresh([_pirate, _grumpy]), Fresh([_pirate]));
        // Float32 sums in another order, which eight-bit rounding of activations makes larger; the effect of an adapter is about its logits' size.
        Assert.InRange(rms, 0, 0.05 * effect);
    }

    [Fact]
    public void A_switch_in_mid_conversation_equals_a_fresh_session()
    {
        using var session = _model.CreateSession(s_options);
        session.Prefill(_prompt.AsSpan(0, 8));
        session.Adapters.Add(_pirate);
        session.Prefill(_prompt.AsSpan(8, 3));
        Assert.Equal(Fresh([_pirate]), session.Decode(_prompt[11]).ToArray());
        _pirate.Scale = -0.75f;
        session.Rewind(11);
        Assert.Equal(Fresh([_pirate]), session.Decode(_prompt[11]).ToArray());
        session.Adapters.Remove(_pirate);
        session.Adapters.Add(_grumpy);
        session.Rewind(11);
        Assert.Equal(Fresh([_grumpy]), session.Decode(_prompt[11]).ToArray());
        session.Adapters.Clear();
        session.Rewind(11);
        Assert.Equal(Fresh([]), session.Decode(_prompt[11]).ToArray());
    }

    [Fact]
    public void A_kept_cache_keeps_the_past_as_the_earlier_set_saw_it()
    {
        using var session = _model.CreateSession(s_options with { KeepCache = true });
        session.Prefill(_prompt.AsSpan(0, 11));
        session.Adapters.Add(_pirate);
        var kept = session.Decode(_prompt[11]).ToArray();
        Assert.NotEqual(Fresh([_pirate]), kept);
        Assert.NotEqual(Fresh([]), kept);
        // Nothing of the past is left after a rewind to the beginning.
        session.Rewind(0);
        Assert.Equal(Fresh([_pirate]), session.Prefill(_prompt).ToArray());
    }

    [Fact]
    public void A_session_has_the_models_adapters_until_it_changes_its_own()
    {
        var plain = Fresh([]);
        var piratical = Fresh([_pirate]);
        using var follows = _model.CreateSession(s_options);
        using var own = _model.CreateSession(s_options);
        own.Adapters.Clear();
        _model.ApplyLoraAdapter(_pirate);
        Assert.Equal(piratical, follows.Prefill(_prompt).ToArray());
        Assert.Equal(plain, own.Prefill(_prompt).ToArray());
        Assert.Equal([_pirate], follows.Adapters);
        Assert.Empty(own.Adapters);
        Assert.Throws<InvalidOperationException>(() => _model.ApplyLoraAdapter(_pirate));
        Assert.True(_model.RemoveLoraAdapter(_pirate));
        follows.Rewind(11);
        Assert.Equal(plain, follows.Decode(_prompt[11]).ToArray());
    }

    [Fact]
    public void Rewinding_forgets()
    {
        using var session = _model.CreateSession(s_options);
        session.Prefill([5, 6, 7, 8, 9, 10, 11]);
        session.Rewind(0);
        Assert.Equal(0, session.Position);
        session.Prefill(_prompt);
        session.Decode(77);
        session.Rewind(11);
        Assert.Equal(_prompt[..11], session.Tokens.ToArray());
        Assert.Equal(Fresh([]), session.Decode(_prompt[11]).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => session.Rewind(13));
        Assert.Throws<ArgumentOutOfRangeException>(() => session.Rewind(-1));
    }

    [Fact]
    public void A_full_session_and_a_wrong_token_leave_it_as_it_was()
    {
        using var session = _model.CreateSession(new SessionOptions { ContextLength = _prompt.Length });
        session.Prefill(_prompt.AsSpan(0, 11));
        Assert.Throws<ArgumentException>(() => session.Prefill([1, 2]));
        Assert.Throws<ArgumentException>(() => session.Decode(_model.Shape.VocabularySize));
        Assert.Throws<ArgumentException>(() => session.Decode(-1));
        Assert.Throws<ArgumentException>(() => session.Prefill([]));
        Assert.Throws<ArgumentException>(() => session.Prefill([1], new float[1]));
        Assert.Equal(11, session.Position);
        Assert.Equal(Fresh([]), session.Decode(_prompt[11]).ToArray());
        Assert.Throws<ArgumentException>(() => session.Decode(1));
    }

    [Fact]
    public void What_is_disposed_says_so()
    {
        var session = _model.CreateSession(s_options);
        var batch = new Batch(session);
        batch.Decode([1]);
        batch.Dispose();
        Assert.Throws<ObjectDisposedException>(() => batch.Decode([1]));
        Assert.Throws<ObjectDisposedException>(() => batch.Logits(0).ToArray());
        session.Dispose();
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Decode(1).ToArray());
        Assert.Throws<ObjectDisposedException>(() => session.Rewind(0));
        Assert.Throws<ObjectDisposedException>(() => session.Adapters.Add(_pirate));

        var model = Model.Open(LanternFiles.Q8_0, new ModelOptions { ThreadCount = 2 });
        var orphan = model.CreateSession(s_options);
        orphan.Adapters.Add(_pirate);
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => orphan.Decode(1).ToArray());
        Assert.Throws<ObjectDisposedException>(() => model.CreateSession());
        Assert.Throws<ObjectDisposedException>(() => model.ApplyLoraAdapter(_grumpy));
        orphan.Dispose();

        var adapter = LanternFiles.Adapter("bard");
        adapter.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _model.ApplyLoraAdapter(adapter));
    }

    [Fact]
    public void Sessions_of_several_threads_give_the_bits_that_they_give_alone()
    {
        using var model = Model.Open(LanternFiles.Q8_0, new ModelOptions { ThreadCount = 2 });
        LoraAdapter[][] sets = [[], [_pirate], [_grumpy, _pirate], [_grumpy]];
        var expected = Array.ConvertAll(sets, Fresh);
        var failures = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var threads = new Thread[sets.Length];
        for (var i = 0; i < sets.Length; i++)
        {
            var index = i;
            threads[i] = new Thread(() =>
            {
                using var session = model.CreateSession(s_options);
                for (var round = 0; round < 10; round++)
                {
                    foreach (var adapter in sets[index]) session.Adapters.Add(adapter);
                    session.Rewind(0);
                    foreach (var token in _prompt.AsSpan(0, 11)) session.Decode(token);
                    if (!session.Decode(_prompt[11]).SequenceEqual(expected[index])) failures.Enqueue($"session {index}, round {round}");
                    session.Adapters.Clear();
                }
            });
            threads[i].Start();
        }
        foreach (var thread in threads) thread.Join();
        Assert.Empty(failures);
    }

    private float[] Fresh(LoraAdapter[] adapters)
    {
        using var session = _model.CreateSession(s_options);
        session.Adapters.Clear();
        foreach (var adapter in adapters) session.Adapters.Add(adapter);
        return session.Prefill(_prompt).ToArray();
    }
}
