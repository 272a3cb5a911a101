using System.Runtime.InteropServices;

namespace TinyLora.Numerics;

/// <summary>Native memory for the length of one call: no managed allocation, whatever the size. Its contents are undefined at first.</summary>
internal unsafe ref struct NativeScratch<T> where T : unmanaged
{
    private void* _pointer;

    /// <exception cref="OutOfMemoryException">The memory cannot be had.</exception>
    public NativeScratch(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        _pointer = NativeMemory.Alloc((nuint)length, (nuint)sizeof(T));
        Span = new Span<T>(_pointer, length);
    }

    public Span<T> Span { get; private set; }

    public void Dispose()
    {
        NativeMemory.Free(_pointer);
        _pointer = null;
        Span = default;
    }
}
