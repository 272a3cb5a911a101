using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace TinyLora.Inference;

/// <summary>
/// A fixed set of threads that run one step together: all run the same code and meet at barriers. The caller is worker 0. Waiting threads spin for a moment,
/// then give their processor away, and sleep between steps. No call allocates.
/// </summary>
internal sealed class Workers : IDisposable
{
    // About 20 µs of pauses: longer than a barrier on an idle machine, shorter than a time slice.
    private const int Spins = 1000;

    private readonly Thread[] _threads;
    private readonly AutoResetEvent[] _wake;
    private readonly int[] _asleep;
    private readonly Action<int> _run;
    private Shared _shared;

    /// <param name="count">Workers, the caller included.</param>
    /// <param name="run">One worker's part of a step.</param>
    public Workers(int count, Action<int> run)
    {
        Count = count;
        _run = run;
        _threads = new Thread[count - 1];
        _wake = new AutoResetEvent[count - 1];
        // A cache line each.
        _asleep = new int[16 * count];
        try
        {
            for (var i = 0; i < _threads.Length; i++)
            {
                var worker = i + 1;
                _wake[i] = new AutoResetEvent(false);
                var thread = new Thread(() => Loop(worker)) { IsBackground = true, Name = $"TinyLora worker {worker}" };
                thread.Start();
                _threads[i] = thread;
            }
        }
        catch
        {
            // The system may refuse so many; those that run must not be left behind.
            Dispose();
            throw;
        }
    }

    public int Count { get; }

    /// <summary>Runs a step on all workers and returns when all are done. One caller at a time.</summary>
    public void Run()
    {
        if (Count > 1)
        {
            Interlocked.Increment(ref _shared.Step);
            for (var i = 0; i < _threads.Length; i++)
                if (Interlocked.Exchange(ref _asleep[16 * (i + 1)], 0) == 1) _wake[i].Set();
        }
        _run(0);
        Barrier();
    }

    /// <summary>Returns when all workers have come here: what each wrote before, all read after.</summary>
    public void Barrier() => Await(Arrive());

    /// <summary>Says that this worker has come to a barrier and goes on; <see cref="Await"/> must follow before the next one.</summary>
    public int Arrive()
    {
        if (Count == 1) return 0;
        var phase = Volatile.Read(ref _shared.Phase);
        if (Interlocked.Increment(ref _shared.Arrived) == Count)
        {
            _shared.Arrived = 0;
            Volatile.Write(ref _shared.Phase, phase + 1);
        }
        return phase;
    }

    /// <summary>Returns when all workers have come to the barrier.</summary>
    /// <param name="phase">What <see cref="Arrive"/> gave.</param>
    public void Await(int phase)
    {
        if (Count == 1) return;
        for (var spins = 0; Volatile.Read(ref _shared.Phase) == phase; spins++)
        {
            if (spins < Spins) Pause();
            else Thread.Yield();
        }
    }

    /// <summary>The rows of worker <paramref name="worker"/>: units of <paramref name="unit"/> rows, spread evenly.</summary>
    public (int First, int End) Share(int rows, int unit, int worker)
    {
        var units = (rows + unit - 1) / unit;
        var first = (int)((long)units * worker / Count) * unit;
        var end = (int)((long)units * (worker + 1) / Count) * unit;
        return (Math.Min(first, rows), Math.Min(end, rows));
    }

    public void Dispose()
    {
        if (Volatile.Read(ref _shared.Stop)) return;
        Volatile.Write(ref _shared.Stop, true);
        Interlocked.Increment(ref _shared.Step);
        foreach (var wake in _wake) wake?.Set();
        foreach (var thread in _threads) thread?.Join();
        foreach (var wake in _wake) wake?.Dispose();
    }

    private void Loop(int worker)
    {
        var done = 0;
        while (true)
        {
            Wait(worker, done);
            done++;
            if (Volatile.Read(ref _shared.Stop)) return;
            _run(worker);
            Barrier();
        }
    }

    private void Wait(int worker, int done)
    {
        for (var spins = 0; spins < 4 * Spins; spins++)
        {
            if (Volatile.Read(ref _shared.Step) != done) return;
            Pause();
        }
        ref var asleep = ref _asleep[16 * worker];
        Interlocked.Exchange(ref asleep, 1);
        while (Volatile.Read(ref _shared.Step) == done) _wake[worker - 1].WaitOne();
        // A step that came before this thread was seen asleep leaves no signal behind; one that came after leaves one, which the next wait takes as false alarm.
        Interlocked.Exchange(ref asleep, 0);
    }

    private static void Pause()
    {
        if (X86Base.IsSupported) X86Base.Pause();
        else if (ArmBase.IsSupported) ArmBase.Yield();
        else Thread.SpinWait(1);
    }

    // Each on a line of its own: spinning readers must not slow the writers of another.
    [StructLayout(LayoutKind.Explicit, Size = 320)]
    private struct Shared
    {
        [FieldOffset(64)] public int Step;
        [FieldOffset(128)] public int Phase;
        [FieldOffset(192)] public int Arrived;
        [FieldOffset(256)] public bool Stop;
    }
}
