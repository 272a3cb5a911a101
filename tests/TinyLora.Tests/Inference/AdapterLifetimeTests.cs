using TinyLora.Adapters;
using TinyLora.Conversation;
using TinyLora.Inference;
using TinyLora.Sampling;
using Xunit;

namespace TinyLora.Tests.Inference;

/// <summary>How long an adapter lives, and that it is its content and not its name.</summary>
public sealed class AdapterLifetimeTests : IDisposable
{
    private static readonly int[] s_prompt = [.. Enumerable.Range(1, 40)];

    private readonly string _folder = Directory.CreateTempSubdirectory("adapters").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Usings_end_in_either_order()
    {
        using (var adapter = Lantern.Adapter("pirate"))
        using (var model = Lantern.Open())
        {
            model.ApplyLoraAdapter(adapter);
            using var session = model.CreateSession();
            session.Prefill(s_prompt);
        }
        using (var model = Lantern.Open())
        using (var adapter = Lantern.Adapter("pirate"))
        {
            model.ApplyLoraAdapter(adapter);
            using var session = model.CreateSession();
            session.Prefill(s_prompt);
        }
        using (var model = Lantern.Open())
        using (var session = model.CreateSession())
        using (var adapter = Lantern.Adapter("pirate"))
        {
            session.Adapters.Add(adapter);
            session.Prefill(s_prompt);
        }
        using (var session = Lantern.Open().CreateSession())
        using (session.Model)
        using (var adapter = Lantern.Adapter("pirate"))
        {
            session.Adapters.Add(adapter);
            session.Prefill(s_prompt);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_using_hides_the_exception_that_leaves_it(bool adapterFirst)
    {
        Assert.Throws<TimeZoneNotFoundException>((Action)Leave);

        void Leave()
        {
            using IDisposable outer = adapterFirst ? Lantern.Adapter("pirate") : Lantern.Open();
            using IDisposable inner = adapterFirst ? Lantern.Open() : Lantern.Adapter("pirate");
            var model = (Model)(adapterFirst ? inner : outer);
            var adapter = (LoraAdapter)(adapterFirst ? outer : inner);
            model.ApplyLoraAdapter(adapter);
            var session = model.CreateSession();
            session.Adapters.Remove(adapter);
            session.Adapters.Add(adapter);
            throw new TimeZoneNotFoundException();
        }
    }

    [Fact]
    public void A_step_with_a_disposed_adapter_is_refused_until_it_is_taken_off()
    {
        using var model = Lantern.Open();
        using var follower = model.CreateSession();
        using var owner = model.CreateSession();
        using var plain = model.CreateSession();
        using var batch = new Batch(plain, owner);
        using var other = Lantern.Adapter("grumpy");
        var adapter = Lantern.Adapter("pirate");
        owner.Adapters.Add(other);
        owner.Adapters.Add(adapter);
        plain.Adapters.Add(other);
        plain.Adapters.Clear();
        model.ApplyLoraAdapter(adapter);
        var expected = plain.Prefill(s_prompt).ToArray();
        Assert.NotEqual(expected, follower.Prefill(s_prompt).ToArray());
        owner.Prefill(s_prompt);
        adapter.Dispose();

        Assert.Contains("pirate is disposed and still on", Assert.Throws<ObjectDisposedException>(() => follower.Decode(1).ToArray()).Message);
        Assert.Throws<ObjectDisposedException>(() => owner.Prefill([1]).ToArray());
        Assert.Throws<ObjectDisposedException>(() => batch.Decode([1, 2]));
        Assert.Throws<ObjectDisposedException>(() => { using var late = model.CreateSession(); late.Decode(1); });
        Assert.Throws<ObjectDisposedException>(() => { using var chat = new MultiTurnConversation(model); chat.Submit("Who are you?"); });
        Assert.Equal([s_prompt.Length, s_prompt.Length, s_prompt.Length], new[] { follower.Position, owner.Position, plain.Position });
        Assert.Throws<ObjectDisposedException>(() => adapter.Scale = 0);
        // A set of its own begins with what the model has, also where that is disposed; taking it off is the way out.
        Assert.True(follower.Adapters.Remove(adapter));
        Assert.True(owner.Adapters.Remove(adapter));
        Assert.True(model.RemoveLoraAdapter(adapter));
        Assert.Empty(model.Adapters);
        follower.Rewind(0);
        Assert.Equal(expected, follower.Prefill(s_prompt).ToArray());
        batch.Decode([1, 2]);
    }

    [Fact]
    public void Memory_stays_while_it_is_on_and_goes_with_the_last_that_lets_go()
    {
        var model = Lantern.Open();
        var session = model.CreateSession();
        var adapter = Lantern.Adapter("pirate");
        model.ApplyLoraAdapter(adapter);
        session.Prefill(s_prompt);
        session.Adapters.Remove(adapter);
        session.Adapters.Add(adapter);
        var bound = session.Adapters.Bound(0);
        adapter.Dispose();
        Assert.False(bound.IsFreed);
        Assert.True(model.RemoveLoraAdapter(adapter));
        Assert.False(bound.IsFreed);
        session.Dispose();
        Assert.True(bound.IsFreed);
        model.Dispose();
    }

    [Fact]
    public void A_session_and_a_model_may_go_before_or_after_their_adapter()
    {
        var adapter = Lantern.Adapter("pirate");
        var model = Lantern.Open();
        var session = model.CreateSession();
        session.Adapters.Add(adapter);
        session.Prefill(s_prompt);
        model.Dispose();
        session.Dispose();
        // The adapter lives on, for another model.
        using (var second = Lantern.Open())
        {
            second.ApplyLoraAdapter(adapter);
            using var next = second.CreateSession();
            next.Prefill(s_prompt);
            adapter.Dispose();
        }
        Assert.Throws<ObjectDisposedException>(() => adapter.Scale = 1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_adapter_is_its_content_and_not_its_name(bool inPlace)
    {
        var path = Path.Combine(_folder, "style");
        using (var first = Lantern.Adapter("pirate")) first.SavePeft(path);
        using var model = Lantern.Open();
        using var session = model.CreateSession(new SessionOptions { ContextLength = 64 });
        using var v1 = new LoraAdapter(path);
        session.Adapters.Add(v1);
        var old = session.Prefill(s_prompt).ToArray();
        Overwrite(path, "grumpy", inPlace);

        // What is loaded is not the file any more, whatever becomes of it.
        session.Rewind(0);
        Assert.Equal(old, session.Prefill(s_prompt).ToArray());
        using var late = model.CreateSession(new SessionOptions { ContextLength = 64 });
        late.Adapters.Add(v1);
        Assert.Equal(old, late.Prefill(s_prompt).ToArray());

        using var v2 = new LoraAdapter(path);
        Assert.Equal(v1.Name, v2.Name);
        using var fresh = model.CreateSession(new SessionOptions { ContextLength = 64 });
        using (var grumpy = Lantern.Adapter("grumpy"))
        {
            fresh.Adapters.Add(grumpy);
            fresh.Prefill(s_prompt);
            var expected = fresh.Decode(7).ToArray();
            session.Adapters.Remove(v1);
            v1.Dispose();
            session.Adapters.Add(v2);
            // The past too is computed again with the new one.
            Assert.Equal(expected, session.Decode(7).ToArray());
            Assert.NotEqual(old, expected);
            fresh.Adapters.Clear();
        }
        late.Adapters.Clear();
    }

    [Fact]
    public void An_adapter_loaded_again_under_its_name_in_a_row_is_the_file_of_then()
    {
        var path = Path.Combine(_folder, "style");
        using var model = Lantern.Open();
        using var session = model.CreateSession(new SessionOptions { ContextLength = 64 });
        var expected = new Dictionary<string, float[]>();
        foreach (var round in Enumerable.Range(0, 6))
        {
            var name = round % 2 == 0 ? "pirate" : "bard";
            Overwrite(path, name, inPlace: round % 3 == 0);
            // Also where the new object takes the place in memory of the one before.
            using (var adapter = new LoraAdapter(path))
            {
                session.Adapters.Add(adapter);
                session.Rewind(0);
                var found = session.Prefill(s_prompt).ToArray();
                Assert.Equal(expected.TryGetValue(name, out var before) ? before : expected[name] = found, found);
                session.Adapters.Remove(adapter);
            }
            GC.Collect();
        }
        Assert.NotEqual(expected["pirate"], expected["bard"]);
    }

    [Fact]
    public void A_result_says_with_what_it_was_made()
    {
        using var model = Lantern.Open();
        using var pirate = Lantern.Adapter("pirate");
        using var grumpy = Lantern.Adapter("grumpy");
        using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy, MaximumCompletionTokens = 4 };
        Assert.Empty(chat.Submit("Who are you?").Adapters);
        pirate.Scale = 0.75f;
        model.ApplyLoraAdapter(pirate);
        model.ApplyLoraAdapter(grumpy);
        Assert.Equal([pirate, grumpy], model.Adapters);
        // What changes while the answer is made is the next one's.
        chat.Utf8Generated += _ => grumpy.Scale = 0;
        var both = chat.Submit("And now?");
        Assert.Equal([new AppliedAdapter("pirate", pirate.Path, 0.75f, 0), new AppliedAdapter("grumpy", grumpy.Path, 1, 0)], both.Adapters);
        Assert.Equal([new AppliedAdapter("pirate", pirate.Path, 0.75f, 0)], chat.Submit("And now?").Adapters);
        pirate.Scale = 2;
        Assert.Equal(0.75f, both.Adapters[0].Scale);
        chat.Adapters.Clear();
        Assert.Empty(chat.Regenerate().Adapters);
        Assert.Empty(chat.Submit("Gone?", new CancellationToken(canceled: true)).Adapters);
        model.RemoveLoraAdapter(pirate);
        model.RemoveLoraAdapter(grumpy);
    }

    [Fact]
    public void A_result_counts_as_cached_what_a_change_of_adapters_left_valid()
    {
        using var model = Lantern.Open();
        using var pirate = Lantern.Adapter("pirate");
        using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy, MaximumCompletionTokens = 4 };
        chat.Submit("Who are you?");
        Assert.InRange(chat.Submit("And now?").CachedTokenCount, 5, int.MaxValue);
        model.ApplyLoraAdapter(pirate);
        Assert.Equal(0, chat.Submit("And now?").CachedTokenCount);
        Assert.InRange(chat.Submit("And now?").CachedTokenCount, 5, int.MaxValue);
        model.RemoveLoraAdapter(pirate);
    }

    [Theory]
    [InlineData("460, 286", 3)]
    [InlineData("286, 460", -1)]
    public void A_result_says_from_where_an_adapter_was_invoked(string tokens, int first)
    {
        var path = Path.Combine(_folder, "invoked");
        Overwrite(path, "pirate", inPlace: true);
        var config = Path.Combine(path, "adapter_config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"alora_invocation_tokens\": null", $"\"alora_invocation_tokens\": [{tokens}]", StringComparison.Ordinal));
        using var model = Lantern.Open();
        using var adapter = new LoraAdapter(path);
        Assert.Equal(2, adapter.InvocationTokens.Count);
        model.ApplyLoraAdapter(adapter);
        using var chat = new MultiTurnConversation(model) { MaximumCompletionTokens = 2 };
        Assert.Equal(first < 0 ? [] : [new AppliedAdapter("invoked", path, 1, first)], chat.Submit("What is LoRA?").Adapters);
    }

    private static void Overwrite(string path, string name, bool inPlace)
    {
        Directory.CreateDirectory(path);
        using var adapter = Lantern.Adapter(name);
        foreach (var file in Directory.GetFiles(adapter.Path, "adapter_*"))
        {
            var target = Path.Combine(path, Path.GetFileName(file));
            if (inPlace)
            {
                using var stream = new FileStream(target, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
                stream.Write(File.ReadAllBytes(file));
                stream.SetLength(stream.Position);
            }
            else
            {
                File.Copy(file, target + ".new", overwrite: true);
                File.Move(target + ".new", target, overwrite: true);
            }
        }
    }
}
