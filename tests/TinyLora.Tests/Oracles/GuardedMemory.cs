using System.Runtime.InteropServices;

namespace TinyLora.Tests.Oracles;

/// <summary>Memory whose last byte lies before a page that may not be touched, so that a read past the end is a crash and not a wrong number (on Linux; elsewhere plain memory).</summary>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private readonly byte* _base;
    private readonly nuint _size;

    public GuardedMemory(long bytes)
    {
        var page = (nuint)Environment.SystemPageSize;
        _size = ((nuint)bytes + page - 1) / page * page + page;
        if (OperatingSystem.IsLinux())
        {
            _base = (byte*)Map(null, _size, 3, 0x22, -1, 0);
            if (_base == (byte*)-1 || Protect(_base + _size - page, page, 0) != 0) throw new OutOfMemoryException();
        }
        else
        {
            _base = (byte*)NativeMemory.AllocZeroed(_size);
        }
        Pointer = _base + _size - page - bytes;
        Bytes = bytes;
    }

    /// <summary>Begins anywhere, ends at the guard.</summary>
    public byte* Pointer { get; }

    public long Bytes { get; }

    public Span<byte> Span => new(Pointer, checked((int)Bytes));

    public void Dispose()
    {
        if (OperatingSystem.IsLinux()) Unmap(_base, _size);
        else NativeMemory.Free(_base);
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial void* Map(void* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Protect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(void* address, nuint length);
}
