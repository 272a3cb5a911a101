using TinyLora.Adapters;
using TinyLora.Conversation;
using TinyLora.Inference;
using Xunit;

namespace TinyLora.Tests.Inference;

/// <summary>What is disposed, taken off or refused while something else still uses it: an exception or the right numbers, never foreign memory.</summary>
public class LifetimeTests
{
    private static readonly int[] s_prompt = [.. Enumerable.Range(1, 150)];

    [Fact]
    public void A_batch_after_its_end_throws()
    {
        using var model = Lantern.Open();
        using var session = model.CreateSession();
        var batch = new Batch(session);
        batch.Decode([1]);
        batch.Dispose();
        Assert.Throws<ObjectDisposedException>(() => batch.Decode([2]));
        Assert.Throws<ObjectDisposedException>(() => batch.Logits(0).Length);
        Assert.Equal(1, session.Position);
    }

    [Fact]
    public void What_has_ended_takes_no_adapter()
    {
        var model = Lantern.Open();
        var session = model.CreateSession();
        session.Dispose();
        using (var adapter = Lantern.Adapter("pirate"))
        {
            Assert.Throws<ObjectDisposedException>(() => session.Adapters.Add(adapter));
            model.Dispose();
            Assert.Throws<ObjectDisposedException>(() => model.ApplyLoraAdapter(adapter));
        }
        Assert.Throws<ArgumentException>(() => new Batch([null!]));
    }

    [Fact]
    public void A_batch_that_refuses_leaves_every_session_as_it_was()
    {
        using var model = Lantern.Open();
        using var first = model.CreateSession();
        using var full = model.CreateSession(new SessionOptions { ContextLength = 1 });
        full.Prefill([1]);
        using var batch = new Batch(first, full);
        Assert.Throws<ArgumentException>(() => batch.Decode([2, 3]));
        Assert.Equal(0, first.Position);
        full.Dispose();
        Assert.Throws<ObjectDisposedException>(() => batch.Decode([2, 3]));
        Assert.Equal(0, first.Position);
    }

    [Fact]
    public void A_batch_refuses_prompts_that_do_not_fit_or_do_not_add_up()
    {
        using var model = Lantern.Open();
        using var first = model.CreateSession();
        using var small = model.CreateSession(new SessionOptions { ContextLength = 3 });
        using var batch = new Batch(first, small);
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, 3], [3]));
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, 3], [3, 0]));
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, 3], [-1, 4]));
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, 3], [1, 1]));
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, 3], [int.MaxValue, int.MaxValue]));
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, 3, 4, 5], [1, 4]));
        Assert.Throws<ArgumentException>(() => batch.Prefill([1, 2, -3], [1, 2]));
        Assert.Equal((0, 0), (first.Position, small.Position));
        batch.Prefill([1, 2, 3, 4, 5], [2, 3]);
        Assert.Equal((2, 3), (first.Position, small.Position));
    }

    [Fact]
    public async Task A_session_that_is_disposed_in_a_batch_leaves_the_others_as_they_were()
    {
        using var model = Lantern.Open();
        using var pirate = Lantern.Adapter("pirate");
        using var alone = model.CreateSession();
        var expected = alone.Prefill(s_prompt).ToArray();
        alone.Rewind(0);
        alone.Adapters.Add(pirate);
        var changed = alone.Prefill(s_prompt).ToArray();
        int[] prompts = [.. s_prompt, .. s_prompt, .. s_prompt], counts = [s_prompt.Length, s_prompt.Length, s_prompt.Length];
        for (var i = 0; i < 20; i++)
        {
            using var first = model.CreateSession();
            using var last = model.CreateSession();
            var leaving = model.CreateSession();
            last.Adapters.Add(pirate);
            leaving.Adapters.Add(pirate);
            using var batch = new Batch(first, leaving, last);
            // Where the others stand when the call at work ends with the exception: where they stood before it.
            var before = 0;
            var work = Task.Run(() =>
            {
                while (true)
                {
                    before = 0;
                    batch.Prefill(prompts, counts);
                    before = s_prompt.Length;
                    // Taken off and put on between the steps: whoever disposes must not let it go a second time.
                    leaving.Adapters.Remove(pirate);
                    batch.Decode([1, 2, 3]);
                    before = s_prompt.Length + 1;
                    leaving.Adapters.Add(pirate);
                    // What is disposed says so first.
                    leaving.Rewind(0);
                    first.Rewind(0);
                    last.Rewind(0);
                }
            });
            Thread.Sleep(i);
            leaving.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => work);
            Assert.Equal((before, before), (first.Position, last.Position));
            // As a fresh session has it: no key was promised that was not computed.
            if (first.Position > 0)
            {
                first.Rewind(s_prompt.Length - 1);
                last.Rewind(s_prompt.Length - 1);
                Assert.Equal(expected, first.Decode(s_prompt[^1]).ToArray());
                Assert.Equal(changed, last.Decode(s_prompt[^1]).ToArray());
            }
            Assert.False(last.Adapters.Bound(0).IsFreed);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_session_that_is_disposed_before_its_batch_has_its_turn_takes_the_others_back(bool prefill)
    {
        using var model = Lantern.Open();
        using var first = model.CreateSession();
        using var last = model.CreateSession();
        var leaving = model.CreateSession();
        using var batch = new Batch(first, leaving, last);
        batch.Prefill([5, 6, 7, 8], [2, 1, 1]);
        using var alone = model.CreateSession();
        var expected = alone.Prefill([5, 6, 9]).ToArray();
        Task work;
        using (model.Pause())
        {
            work = Task.Run(() => { if (prefill) batch.Prefill([1, 2, 3, 4], [1, 1, 2]); else batch.Decode([1, 2, 3]); });
            // The tokens are appended; the step waits for the turn, which is held here.
            Assert.True(SpinWait.SpinUntil(() => last.Position > 1, TimeSpan.FromMinutes(1)));
            leaving.Dispose();
        }
        await Assert.ThrowsAsync<ObjectDisposedException>(() => work);
        Assert.Equal((2, 1), (first.Position, last.Position));
        Assert.Equal(expected, first.Decode(9).ToArray());
    }

    [Fact]
    public async Task A_session_lets_adapters_go_in_its_turn_only()
    {
        using var model = Lantern.Open();
        var session = model.CreateSession();
        var pirate = Lantern.Adapter("pirate");
        session.Adapters.Add(pirate);
        session.Decode(1);
        var bound = session.Adapters.Bound(0);
        session.Adapters.Remove(pirate);
        pirate.Dispose();
        Task work;
        using (model.Pause())
        {
            work = Task.Run(() => session.Decode(2).Length);
            Assert.True(SpinWait.SpinUntil(() => session.Position == 2, TimeSpan.FromMinutes(1)));
            // Dispose, which holds the turn as this does, lets the same adapter go.
            Assert.False(SpinWait.SpinUntil(() => bound.IsFreed, TimeSpan.FromMilliseconds(200)));
            session.Dispose();
            Assert.True(bound.IsFreed);
        }
        await Assert.ThrowsAsync<ObjectDisposedException>(() => work);
    }

    [Fact]
    public async Task A_session_that_is_disposed_while_its_adapters_change_lets_each_go_once()
    {
        using var model = Lantern.Open();
        using var pirate = Lantern.Adapter("pirate");
        using var keeper = model.CreateSession();
        keeper.Adapters.Add(pirate);
        var expected = keeper.Prefill(s_prompt).ToArray();
        for (var i = 0; i < 200; i++)
        {
            var session = model.CreateSession();
            var work = Task.Run(() =>
            {
                while (true)
                {
                    session.Adapters.Add(pirate);
                    session.Rewind(0);
                    session.Decode(1);
                    session.Adapters.Remove(pirate);
                    session.Decode(2);
                }
            });
            Thread.SpinWait(500 * (i % 50));
            session.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => work);
        }
        Assert.False(keeper.Adapters.Bound(0).IsFreed);
        keeper.Rewind(0);
        Assert.Equal(expected, keeper.Prefill(s_prompt).ToArray());
        var bound = keeper.Adapters.Bound(0);
        pirate.Dispose();
        keeper.Dispose();
        // The last holder is gone, none was left over.
        Assert.True(bound.IsFreed);
    }

    [Fact]
    public async Task Logits_that_are_written_for_many_tokens_end_with_their_session()
    {
        using var model = Lantern.Open();
        var logits = new float[s_prompt.Length * model.Shape.VocabularySize];
        for (var i = 0; i < 20; i++)
        {
            var session = model.CreateSession(new SessionOptions { ChunkLength = 16 });
            var prefill = Task.Run(() =>
            {
                while (true)
                {
                    session.Prefill(s_prompt, logits);
                    session.Rewind(0);
                }
            });
            Thread.Sleep(i);
            session.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => prefill);
        }
    }

    [Fact]
    public void Logits_outlive_their_session_and_model()
    {
        var model = Lantern.Open();
        var session = model.CreateSession();
        var logits = session.Prefill(s_prompt);
        var before = logits.ToArray();
        session.Dispose();
        model.Dispose();
        Assert.Equal(before, logits.ToArray());
    }

    [Fact]
    public async Task A_session_that_is_disposed_in_a_prefill_ends_it()
    {
        using var model = Lantern.Open();
        for (var i = 0; i < 20; i++)
        {
            var session = model.CreateSession(new SessionOptions { ChunkLength = 4 });
            var prefill = Task.Run(() =>
            {
                while (true)
                {
                    session.Prefill(s_prompt);
                    session.Rewind(0);
                }
            });
            Thread.Sleep(i);
            session.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => prefill);
        }
    }

    [Fact]
    public async Task A_model_that_is_disposed_in_a_prefill_ends_it()
    {
        for (var i = 0; i < 5; i++)
        {
            var model = Lantern.Open();
            using var session = model.CreateSession(new SessionOptions { ChunkLength = 4 });
            var prefill = Task.Run(() =>
            {
                while (true)
                {
                    session.Prefill(s_prompt);
                    session.Rewind(0);
                }
            });
            Thread.Sleep(3 * i);
            model.Dispose();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => prefill);
        }
    }

    [Fact]
    public async Task An_adapter_that_is_removed_and_disposed_stays_whole_for_the_step_that_reads_it()
    {
        using var model = Lantern.Open();
        using var session = model.CreateSession(new SessionOptions { ChunkLength = 4 });
        var plain = session.Prefill(s_prompt).ToArray();
        session.Rewind(0);
        var pirate = Lantern.Adapter("pirate");
        model.ApplyLoraAdapter(pirate);
        var changed = session.Prefill(s_prompt).ToArray();
        session.Rewind(0);
        Assert.NotEqual(plain, changed);
        for (var i = 0; i < 10; i++)
        {
            var prefill = Task.Run(() => session.Prefill(s_prompt).ToArray());
            Thread.Sleep(i);
            model.RemoveLoraAdapter(pirate);
            pirate.Dispose();
            var found = await prefill;
            Assert.True(found.AsSpan().SequenceEqual(plain) || found.AsSpan().SequenceEqual(changed));
            session.Rewind(0);
            pirate = Lantern.Adapter("pirate");
            model.ApplyLoraAdapter(pirate);
        }
        model.RemoveLoraAdapter(pirate);
        pirate.Dispose();
        Assert.Equal(plain, session.Prefill(s_prompt).ToArray());
    }

    [Fact]
    public void An_adapters_memory_goes_with_its_last_holder()
    {
        using var model = Lantern.Open();
        using var adapter = Lantern.Adapter("pirate");
        var set = new AdapterSet(model, null);
        set.Add(adapter);
        var active = new ActiveAdapters();
        active.Refresh(set, default, false);
        var bound = active[0];
        set.Clear();
        adapter.Dispose();
        Assert.False(bound.IsFreed);
        Assert.Equal(0, active.Refresh(set, default, false));
        Assert.Equal(0, active.Count);
        Assert.True(bound.IsFreed);
    }

    [Fact]
    public async Task Adapters_that_come_while_another_thread_steps_find_room()
    {
        using var model = Lantern.Open();
        string[] names = ["pirate", "bard", "grumpy", "commands"];
        var adapters = names.Select(Lantern.Adapter).ToArray();
        using var session = model.CreateSession(new SessionOptions { ChunkLength = 4 });
        using var done = new CancellationTokenSource();
        var steps = Task.Run(() =>
        {
            while (!done.IsCancellationRequested)
            {
                session.Prefill(s_prompt);
                session.Rewind(0);
            }
        });
        // Two threads add at once: neither may count only its own.
        for (var i = 0; i < 5; i++)
        {
            Parallel.ForEach(adapters, model.ApplyLoraAdapter);
            foreach (var adapter in adapters) Assert.True(model.RemoveLoraAdapter(adapter));
        }
        await done.CancelAsync();
        await steps;
        foreach (var adapter in adapters) adapter.Dispose();
    }

    [Fact]
    public void A_context_that_no_memory_holds_is_refused_and_the_others_go_on()
    {
        using var model = Lantern.Open();
        using var session = model.CreateSession();
        var before = session.Prefill(s_prompt).ToArray();
        session.Rewind(0);
        Assert.Throws<OutOfMemoryException>(() => model.CreateSession(new SessionOptions { ContextLength = int.MaxValue }));
        Assert.Equal(before, session.Prefill(s_prompt).ToArray());
    }

    [Fact]
    public void A_model_whose_file_is_gone_still_speaks()
    {
        var copy = Path.GetTempFileName();
        File.Copy(Lantern.ModelPath, copy, overwrite: true);
        using var model = Model.Open(copy);
        File.Delete(copy);
        using var chat = new MultiTurnConversation(model) { MaximumCompletionTokens = 4 };
        Assert.NotEmpty(chat.Submit("Who are you?").Text);
    }

    [Fact]
    public void An_array_of_a_file_that_is_closed_throws()
    {
        var file = TinyLora.Files.GgufFile.Open(Lantern.ModelPath);
        Assert.True(file.TryGetArray("tokenizer.ggml.tokens", out var tokens));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tokens.GetStrings());
    }

    [Fact]
    public void A_conversation_that_is_disposed_in_its_own_callback_ends()
    {
        using var model = Lantern.Open();
        var chat = new MultiTurnConversation(model);
        chat.Utf8Generated += _ => chat.Dispose();
        Assert.Equal(StopReason.CancellationRequested, chat.Submit("Who are you?").StopReason);
        Assert.Throws<ObjectDisposedException>(() => chat.Submit("And now?"));
    }

    [Fact]
    public async Task A_conversation_that_another_thread_disposes_ends()
    {
        using var model = Lantern.Open();
        for (var i = 0; i < 10; i++)
        {
            var chat = new MultiTurnConversation(model);
            var answer = chat.SubmitAsync("Who are you?");
            await Task.Delay(3 * i);
            chat.Dispose();
            try
            {
                await answer;
            }
            catch (ObjectDisposedException)
            {
                // It had not begun.
            }
        }
    }

    [Fact]
    public void A_callback_that_throws_leaves_the_conversation_as_it_was()
    {
        using var model = Lantern.Open();
        using var chat = new MultiTurnConversation(model) { SamplingOptions = TinyLora.Sampling.SamplingOptions.Greedy };
        var expected = chat.Submit("Who are you?").Text;
        chat.ClearHistory();
        void Fail(string text) => throw new InvalidOperationException(text);
        chat.TextGenerated += Fail;
        Assert.Throws<InvalidOperationException>(() => chat.Submit("Who are you?"));
        Assert.Empty(chat.History);
        chat.TextGenerated -= Fail;
        Assert.Equal(expected, chat.Submit("Who are you?").Text);
    }
}
