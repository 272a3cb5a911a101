using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>An array of a GGUF file's metadata, as it lies in the file; valid as long as the file is open.</summary>
public readonly unsafe struct GgufArray
{
    private readonly MappedFile _file;
    private readonly string _key;
    private readonly long _offset;

    internal GgufArray(MappedFile file, string key, GgufValueType elementType, long count, long offset)
    {
        _file = file;
        _key = key;
        _offset = offset;
        ElementType = elementType;
        Count = count;
    }

    /// <summary>Type of the elements; never <see cref="GgufValueType.Array"/>.</summary>
    public GgufValueType ElementType { get; }

    /// <summary>Elements.</summary>
    public long Count { get; }

    /// <summary>The numbers, [Count].</summary>
    /// <typeparam name="T">The type that <see cref="ElementType"/> names; <see cref="byte"/> for booleans.</typeparam>
    /// <exception cref="InvalidDataException">The elements are of another type, or too many for a span.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public ReadOnlySpan<T> As<T>() where T : unmanaged
    {
        if (!Holds<T>()) Throw.BadFile(_file.Path, _key, $"an array of {ElementType}", $"an array of {typeof(T).Name}");
        if (Count > int.MaxValue) Throw.BadFile(_file.Path, _key, $"{Count} elements", $"at most {int.MaxValue}");
        return new ReadOnlySpan<T>(_file.Pointer + _offset, (int)Count);
    }

    /// <summary>The strings, one after another, without allocation.</summary>
    /// <exception cref="InvalidDataException">The elements are not strings.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public GgufStrings GetStrings()
    {
        if (ElementType != GgufValueType.String) Throw.BadFile(_file.Path, _key, $"an array of {ElementType}", "an array of String");
        return new GgufStrings(_file.Pointer + _offset, Count);
    }

    private bool Holds<T>() => ElementType switch
    {
        GgufValueType.UInt8 or GgufValueType.Boolean => typeof(T) == typeof(byte),
        GgufValueType.Int8 => typeof(T) == typeof(sbyte),
        GgufValueType.UInt16 => typeof(T) == typeof(ushort),
        GgufValueType.Int16 => typeof(T) == typeof(short),
        GgufValueType.UInt32 => typeof(T) == typeof(uint),
        GgufValueType.Int32 => typeof(T) == typeof(int),
        GgufValueType.Float32 => typeof(T) == typeof(float),
        GgufValueType.UInt64 => typeof(T) == typeof(ulong),
        GgufValueType.Int64 => typeof(T) == typeof(long),
        GgufValueType.Float64 => typeof(T) == typeof(double),
        _ => false,
    };
}
