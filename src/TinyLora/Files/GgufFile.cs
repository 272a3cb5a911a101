using System.Runtime.CompilerServices;
using System.Text;
using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>
/// A GGUF file, mapped: metadata and tensors. Versions 2 and 3, little-endian, in one piece. Everything is checked when the file
/// is opened, so that no later access can leave it. Specification: github.com/ggml-org/ggml, docs/gguf.md.
/// </summary>
public sealed unsafe class GgufFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, GgufValue> _values;
    private readonly Dictionary<string, TensorEntry> _names;
    private readonly List<TensorEntry> _tensors;
    private readonly long _valuesStart, _valuesEnd;

    private GgufFile(MappedFile file, GgufHeader header)
    {
        _file = file;
        _values = header.Values;
        _names = header.Names;
        _tensors = header.Tensors;
        Version = header.Version;
        Alignment = header.Alignment;
        (_valuesStart, _valuesEnd) = (header.ValuesStart, header.ValuesEnd);
    }

    /// <summary>Path that it was opened by.</summary>
    public string Path => _file.Path;

    /// <summary>2 or 3.</summary>
    public int Version { get; }

    /// <summary>Tensors begin at multiples of this many bytes.</summary>
    public long Alignment { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length => _file.Length;

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<TensorEntry> Tensors => _tensors;

    /// <summary>Keys of the metadata, in the file's order.</summary>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <summary>All keys and their values as they stand in the file; valid as long as it is open.</summary>
    /// <exception cref="InvalidDataException">They are more than 2 GiB.</exception>
    internal ReadOnlySpan<byte> ValueBytes
    {
        get
        {
            if (_valuesEnd - _valuesStart > int.MaxValue) Throw.BadFile(Path, "keys", $"{_valuesEnd - _valuesStart} bytes", $"at most {int.MaxValue}");
            return new ReadOnlySpan<byte>(_file.Pointer + _valuesStart, (int)(_valuesEnd - _valuesStart));
        }
    }

    /// <summary>Where a key's value stands in <see cref="ValueBytes"/>; -1 without the key.</summary>
    internal long PlaceOf(string key) => _values.TryGetValue(key, out var value) ? value.Offset - _valuesStart : -1;

    /// <summary>Maps a file and checks it.</summary>
    /// <exception cref="FileNotFoundException">Nothing stands at the path.</exception>
    /// <exception cref="InvalidDataException">It is no GGUF file, is damaged, big-endian, split, or of another version.</exception>
    public static GgufFile Open(string path)
    {
        var file = new MappedFile(path);
        try
        {
            return new GgufFile(file, GgufHeader.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether the file begins like a GGUF file; false also where there is no file.</summary>
    public static bool IsGguf(string path)
    {
        if (!File.Exists(path)) return false;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        Span<byte> magic = stackalloc byte[4];
        return stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("GGUF"u8);
    }

    /// <summary>The tensor of this name.</summary>
    public bool TryGetTensor(string name, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out TensorEntry? tensor) => _names.TryGetValue(name, out tensor);

    /// <summary>Whether the metadata have the key.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>Type of a key's value, or null without the key.</summary>
    public GgufValueType? TypeOf(string key) => _values.TryGetValue(key, out var value) ? value.Type : null;

    /// <summary>A string; false without the key.</summary>
    /// <exception cref="InvalidDataException">The value is no string or no UTF-8.</exception>
    public bool TryGetString(string key, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out string? value)
    {
        value = null;
        if (!TryGetUtf8(key, out var bytes)) return false;
        if (!System.Text.Unicode.Utf8.IsValid(bytes)) Throw.BadFile(Path, key, "bytes that are not UTF-8", "a string");
        value = Encoding.UTF8.GetString(bytes);
        return true;
    }

    /// <summary>A string's bytes, not checked to be UTF-8; valid as long as the file is open. False without the key.</summary>
    /// <exception cref="InvalidDataException">The value is no string.</exception>
    public bool TryGetUtf8(string key, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!_values.TryGetValue(key, out var found)) return false;
        if (found.Type != GgufValueType.String) Throw.BadFile(Path, key, found.Type.ToString(), "a string");
        var at = _file.Pointer + found.Offset;
        value = new ReadOnlySpan<byte>(at + sizeof(ulong), (int)Unsafe.ReadUnaligned<ulong>(at));
        return true;
    }

    /// <summary>An integer of any width; false without the key.</summary>
    /// <exception cref="InvalidDataException">The value is no integer, or above 2⁶³ - 1.</exception>
    public bool TryGetInteger(string key, out long value)
    {
        value = 0;
        if (!_values.TryGetValue(key, out var found)) return false;
        var at = _file.Pointer + found.Offset;
        switch (found.Type)
        {
            case GgufValueType.UInt8: value = *at; break;
            case GgufValueType.Int8: value = *(sbyte*)at; break;
            case GgufValueType.UInt16: value = Unsafe.ReadUnaligned<ushort>(at); break;
            case GgufValueType.Int16: value = Unsafe.ReadUnaligned<short>(at); break;
            case GgufValueType.UInt32: value = Unsafe.ReadUnaligned<uint>(at); break;
            case GgufValueType.Int32: value = Unsafe.ReadUnaligned<int>(at); break;
            case GgufValueType.Int64: value = Unsafe.ReadUnaligned<long>(at); break;
            case GgufValueType.UInt64:
                var number = Unsafe.ReadUnaligned<ulong>(at);
                if (number > long.MaxValue) Throw.BadFile(Path, key, $"{number}", $"at most {long.MaxValue}");
                value = (long)number;
                break;
            default: Throw.BadFile(Path, key, found.Type.ToString(), "an integer"); break;
        }
        return true;
    }

    /// <summary>A float32 or float64; false without the key.</summary>
    /// <exception cref="InvalidDataException">The value is of another type.</exception>
    public bool TryGetNumber(string key, out double value)
    {
        value = 0;
        if (!_values.TryGetValue(key, out var found)) return false;
        var at = _file.Pointer + found.Offset;
        if (found.Type == GgufValueType.Float32) value = Unsafe.ReadUnaligned<float>(at);
        else if (found.Type == GgufValueType.Float64) value = Unsafe.ReadUnaligned<double>(at);
        else Throw.BadFile(Path, key, found.Type.ToString(), "a floating-point number");
        return true;
    }

    /// <summary>A boolean; false without the key.</summary>
    /// <exception cref="InvalidDataException">The value is of another type.</exception>
    public bool TryGetBoolean(string key, out bool value)
    {
        value = false;
        if (!_values.TryGetValue(key, out var found)) return false;
        if (found.Type != GgufValueType.Boolean) Throw.BadFile(Path, key, found.Type.ToString(), "a boolean");
        value = _file.Pointer[found.Offset] != 0;
        return true;
    }

    /// <summary>An array; false without the key.</summary>
    /// <exception cref="InvalidDataException">The value is no array.</exception>
    public bool TryGetArray(string key, out GgufArray value)
    {
        value = default;
        if (!_values.TryGetValue(key, out var found)) return false;
        if (found.Type != GgufValueType.Array) Throw.BadFile(Path, key, found.Type.ToString(), "an array");
        value = new GgufArray(_file, key, found.ElementType, found.Count, found.Offset);
        return true;
    }

    /// <summary>Unmaps the file: tensors, strings and arrays from it must not be used any more.</summary>
    public void Dispose() => _file.Dispose();
}
