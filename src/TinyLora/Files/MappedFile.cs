using System.IO.MemoryMappedFiles;
using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>A file mapped into memory for reading. The pointer is valid until <see cref="Dispose"/>.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _pointer;
    private bool _disposed;

    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    /// <exception cref="InvalidDataException">The path is a directory.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public MappedFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (Directory.Exists(path)) Throw.BadFile(path, "path", "a directory", "a file");
        if (!File.Exists(path)) throw new FileNotFoundException($"{path}: no such file.", path);
        Path = path;
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            Length = stream.Length;
            if (Length == 0) return; // An empty file cannot be mapped.
            _file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            _view = _file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
            _pointer += _view.PointerOffset;
        }
        catch
        {
            Dispose();
            throw;
        }
        finally
        {
            stream.Dispose();
        }
    }

    public string Path { get; }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>[Length]; null for an empty file.</summary>
    /// <exception cref="ObjectDisposedException">The mapping is gone.</exception>
    public byte* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _pointer;
        }
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        if (_pointer != null) _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _pointer = null;
        _view?.Dispose();
        _file?.Dispose();
    }
}
