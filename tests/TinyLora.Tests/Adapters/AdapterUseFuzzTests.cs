using System.Diagnostics;
using System.Globalization;
using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Laws;
using Xunit;
using Xunit.Abstractions;

namespace TinyLora.Tests.Adapters;

/// <summary>
/// Sound adapters of every format, damaged: each is read, put on a model and used for a token, or refused with <see cref="InvalidDataException"/>, in little time and memory,
/// and nothing else. The same files at every run; TINYLORA_FUZZ_FILES=200000 makes more of them.
/// </summary>
public sealed class AdapterUseFuzzTests(ITestOutputHelper output) : IDisposable
{
    private const int DefaultRounds = 2600;
    // Quantised numbers are widened, at most from 18 bytes to 128; the rest is alignment, a cache line for each tensor.
    private const int MaxGrowth = 8, MaxRoomOfTensor = 128;
    // Names, shapes, tables, messages. A file has at most about 40 KB.
    private const long MaxManagedBytes = 8 << 20;
    private static readonly TimeSpan s_maxTime = TimeSpan.FromSeconds(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("fuzz").FullName;
    private readonly Model _model = Model.Open(LanternFiles.Q8_0, new ModelOptions { ThreadCount = 1 });

    private static int Rounds { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("TINYLORA_FUZZ_FILES"), NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) ? rounds : DefaultRounds;

    public void Dispose()
    {
        _model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Damaged_adapters_run_or_are_refused()
    {
        FuzzSample[] samples = [.. FuzzSample.All(_model.Shape), FuzzSample.Drawn(new Random(1), _model.Shape)];
        using var session = _model.CreateSession(new SessionOptions { ContextLength = 16 });
        var before = session.Prefill(LanternBits.Prompt).ToArray();
        var counts = new Counts[samples.Length];
        var slowest = (Time: TimeSpan.Zero, Name: "", Round: 0);
        for (var s = 0; s < samples.Length; s++)
        {
            Clear();
            Write(samples[s], samples[s].Parts.Select(part => part.Bytes).ToArray(), samples[s].Config, out _);
            if (s < samples.Length - 1) Assert.Equal(samples[s].Name.Contains("hash", StringComparison.Ordinal) ? Outcome.NotFit : Outcome.Ran, Use(samples[s], session, null, out _));
            for (var round = s; round < Rounds; round += samples.Length)
            {
                var length = Damage(samples, s, round);
                var time = Measure(samples[s], session, round, length, ref counts[s]);
                // A busy machine may have been elsewhere.
                if (time > s_maxTime) time = Measure(samples[s], session, round, length, ref counts[s]);
                if (time > s_maxTime) Assert.Fail($"{samples[s].Name}, round {round}: {time.TotalSeconds:0.0} s. {Kept()}");
                if (time > slowest.Time) slowest = (time, samples[s].Name, round);
            }
        }
        for (var s = 0; s < samples.Length; s++)
        {
            var (ran, notFit, refused) = (counts[s].Ran, counts[s].NotFit, counts[s].Refused);
            output.WriteLine($"{samples[s].Name}: {ran} ran, {notFit} did not fit, {refused} refused");
            // Else the changes miss what is checked, or nothing gets behind it.
            Assert.InRange(refused, (ran + notFit + refused) / 10, (ran + notFit + refused) * 19 / 20);
        }
        output.WriteLine($"{Rounds} files, the slowest {slowest.Time.TotalMilliseconds:0} ms: {slowest.Name}, round {slowest.Round}");
        // What ran has touched nothing but its own.
        session.Rewind(0);
        Assert.Equal(before, session.Prefill(LanternBits.Prompt).ToArray());
    }

    /// <summary>Writes the file of a round and returns its bytes.</summary>
    private long Damage(FuzzSample[] samples, int index, int round)
    {
        var random = new Random(20261125 + round);
        var isDrawn = index == samples.Length - 1;
        var sample = isDrawn ? FuzzSample.Drawn(random, _model.Shape) : samples[index];
        var other = samples[random.Next(samples.Length)];
        var foreign = other.Parts[random.Next(other.Parts.Length)].Bytes;
        var parts = sample.Parts.Select(part => part.Bytes).ToArray();
        var config = sample.Config;
        if (isDrawn && random.Next(4) > 0)
        {
            // As it was drawn.
        }
        else if (config != null && random.Next(3) == 0)
        {
            config = Mutation.Apply(random, FuzzPart.Json, config, foreign);
        }
        else if (random.Next(4) > 0)
        {
            // Headers more often than numbers.
            var p = random.Next(3) > 0 ? 0 : random.Next(parts.Length);
            parts[p] = Mutation.Apply(random, sample.Parts[p].Kind, parts[p], foreign);
        }
        else
        {
            return Write(sample, [Mutation.Apply(random, FuzzPart.Binary, sample.Assemble(parts), foreign)], config, out _, isWhole: true);
        }
        return Write(sample, parts, config, out _);
    }

    private long Write(FuzzSample sample, byte[][] parts, byte[]? config, out byte[] bytes, bool isWhole = false)
    {
        bytes = isWhole ? parts[0] : sample.Assemble(parts);
        File.WriteAllBytes(Path.Combine(_folder, sample.FileName), bytes);
        if (config != null) File.WriteAllBytes(Path.Combine(_folder, "adapter_config.json"), config);
        return bytes.Length;
    }

    private TimeSpan Measure(FuzzSample sample, Session session, int round, long length, ref Counts counts)
    {
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var started = Stopwatch.GetTimestamp();
        try
        {
            switch (Use(sample, session, length, out var message))
            {
                case Outcome.Ran: counts.Ran++; break;
                case Outcome.NotFit: counts.NotFit++; break;
                default: counts.Refused++; break;
            }
            if (message.Contains('\n', StringComparison.Ordinal) || message.Length > 2000) Assert.Fail($"{sample.Name}, round {round}: a message of {message.Length} characters: {message}");
        }
        catch (Exception wrong) when (wrong is not Xunit.Sdk.XunitException)
        {
            Assert.Fail($"{sample.Name}, round {round}: {wrong}. {Kept()}");
        }
        var time = Stopwatch.GetElapsedTime(started);
        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        if (bytes > MaxManagedBytes) Assert.Fail($"{sample.Name}, round {round}: {bytes} managed bytes for a file of {length}. {Kept()}");
        return time;
    }

    private Outcome Use(FuzzSample sample, Session session, long? length, out string message)
    {
        message = "";
        LoraAdapter adapter;
        try
        {
            adapter = new LoraAdapter(sample.FileName.EndsWith(".gguf", StringComparison.Ordinal) ? Path.Combine(_folder, sample.FileName) : _folder);
        }
        catch (InvalidDataException refusal)
        {
            message = refusal.Message;
            return Outcome.Refused;
        }
        using (adapter)
        {
            var tensors = 2 * adapter.Modules.Count + adapter.Content.Others.Length;
            if (length is { } bytes) Assert.InRange(adapter.Content.Memory.Bytes, 0, MaxGrowth * bytes + MaxRoomOfTensor * tensors);
            try
            {
                session.Adapters.Add(adapter);
            }
            catch (InvalidDataException misfit)
            {
                message = misfit.Message;
                return Outcome.NotFit;
            }
            session.Rewind(0);
            session.Prefill([1, 2, 3]);
            Assert.True(session.Adapters.Remove(adapter));
            return Outcome.Ran;
        }
    }

    private void Clear()
    {
        foreach (var file in Directory.GetFiles(_folder)) File.Delete(file);
    }

    /// <summary>Copies the files of a failure to where they stay.</summary>
    private string Kept()
    {
        var kept = Directory.CreateTempSubdirectory("fuzz-failure").FullName;
        foreach (var file in Directory.GetFiles(_folder)) File.Copy(file, Path.Combine(kept, Path.GetFileName(file)));
        return $"The files are kept in {kept}.";
    }

    private enum Outcome
    {
        Ran,
        NotFit,
        Refused,
    }

    private struct Counts
    {
        public int Ran, NotFit, Refused;
    }
}
