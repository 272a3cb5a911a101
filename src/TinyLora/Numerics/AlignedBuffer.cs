using System.Runtime.InteropServices;

namespace TinyLora.Numerics;

/// <summary>Zeroed native memory that begins at a multiple of 64 bytes, freed by <see cref="Dispose"/> or at the latest by the finalizer.</summary>
internal sealed unsafe class AlignedBuffer : IDisposable
{
    private void* _pointer;

    /// <param name="bytes">Size in bytes; 0 gives a valid, empty buffer.</param>
    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public AlignedBuffer(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        // A cache line more than asked for: vector loads of a row's last lanes stay inside.
        var size = checked((nuint)((bytes + 127) & ~63L));
        _pointer = NativeMemory.AlignedAlloc(size, 64);
        NativeMemory.Clear(_pointer, size);
        Bytes = bytes;
        GC.AddMemoryPressure((long)size);
    }

    ~AlignedBuffer() => Free();

    public long Bytes { get; }

    public byte* Pointer => (byte*)_pointer;

    public float* Floats => (float*)_pointer;

    public static AlignedBuffer OfFloats(long count) => new(checked(count * sizeof(float)));

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_pointer == null) return;
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
        GC.RemoveMemoryPressure((Bytes + 127) & ~63L);
    }
}
