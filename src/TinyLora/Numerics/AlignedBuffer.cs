using System.Runtime.InteropServices;

namespace TinyLora.Numerics;

/// <summary>Zeroed native memory that begins at a multiple of 64 bytes, freed by <see cref="Dispose"/> or at the latest by the finalizer.</summary>
internal sealed unsafe class AlignedBuffer : IDisposable
{
    private void* _memory;

    /// <param name="bytes">Size in bytes; 0 gives a valid, empty buffer.</param>
    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public AlignedBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        // A cache line to align, and one more: vector loads of a row's last lanes stay inside. Fresh pages are zero without being touched.
        _memory = NativeMemory.AllocZeroed(checked((nuint)bytes + 128));
        Pointer = (byte*)(((nint)_memory + 63) & ~63);
        Bytes = bytes;
    }

    ~AlignedBuffer() => Free();

    public long Bytes { get; }

    public byte* Pointer { get; private set; }

    public float* Floats => (float*)Pointer;

    public static AlignedBuffer OfFloats(long count) => new(checked(count * sizeof(float)));

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.Free(_memory);
        _memory = null;
        Pointer = null;
    }
}
