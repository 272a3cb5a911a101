namespace TinyLora.Kernels;

/// <summary>
/// What a thread reads next, as ranges of memory: a mat-mat kernel, which computes longer than it reads, asks for their lines meanwhile. It stands at the beginning of
/// the thread's <see cref="KernelScratch"/>, its ranges behind it; all zero, it asks for nothing.
/// </summary>
public unsafe struct Lookahead
{
    /// <summary>Bytes that it takes of the scratch, a multiple of 64.</summary>
    public const int Bytes = 2112;

    private const int Capacity = 128;
    private const int LineBytes = 64;

    /// <summary>Where to go on.</summary>
    public byte* At;
    /// <summary>Lines that are left of the range.</summary>
    public nint Lines;
    /// <summary>The next range, its address and its lines; after the last none.</summary>
    public nint* Next;
    private int _count;

    /// <summary>Forgets all ranges.</summary>
    public void Clear()
    {
        At = null;
        Next = null;
        Lines = _count = 0;
    }

    /// <summary>Adds a range, or leaves it out where there are too many.</summary>
    public void Add(byte* at, long bytes)
    {
        var lines = (nint)((bytes + LineBytes - 1) / LineBytes);
        if (lines == 0 || _count == Capacity) return;
        fixed (Lookahead* self = &this)
        {
            var ranges = (nint*)(self + 1);
            if (_count == 0)
            {
                At = at;
                Lines = lines;
                Next = ranges;
            }
            else (ranges[2 * _count - 2], ranges[2 * _count - 1]) = ((nint)at, lines);
            // No lines end the list.
            ranges[2 * _count + 1] = 0;
        }
        _count++;
    }
}
