namespace TinyLora.Tests.Oracles;

internal static class Allocations
{
    /// <summary>
    /// Bytes that this thread takes at each turn of <paramref name="work"/>: the least of several turns, since a collection that another test causes counts the rest of the
    /// thread's allocation window as taken.
    /// </summary>
    public static long Least(Action work)
    {
        work();
        var least = long.MaxValue;
        for (var turn = 0; turn < 5 && least > 0; turn++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
