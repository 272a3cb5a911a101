using TinyLora.Numerics;

namespace TinyLora.Files;

/// <summary>A tensor as it lies in a mapped file. Its data are valid as long as the file is open.</summary>
public sealed unsafe class TensorEntry
{
    private readonly long[] _shape;

    internal TensorEntry(string path, string name, string typeName, ElementType? type, long[] shape, long elementCount, long offset, long byteCount, byte* data)
    {
        Path = path;
        Name = name;
        TypeName = typeName;
        Type = type;
        _shape = shape;
        ElementCount = elementCount;
        Offset = offset;
        ByteCount = byteCount;
        Data = data;
    }

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    /// <summary>Name in the file.</summary>
    public string Name { get; }

    /// <summary>Type as the file's format calls it, also one that this runtime does not compute with: <c>Q4_K</c>, <c>I32</c>.</summary>
    public string TypeName { get; }

    /// <summary>Type of the elements, or null where this runtime has none such.</summary>
    public ElementType? Type { get; }

    /// <summary>Sizes, outermost first: elements of the last dimension are neighbours. Empty for a scalar.</summary>
    public IReadOnlyList<long> Shape => _shape;

    /// <summary>Product of the shape.</summary>
    public long ElementCount { get; }

    /// <summary>First byte, from the beginning of the file.</summary>
    public long Offset { get; }

    /// <summary>Bytes.</summary>
    public long ByteCount { get; }

    /// <summary>[ByteCount], not necessarily aligned.</summary>
    internal byte* Data { get; }

    /// <summary>The shape as text: <c>[64, 128]</c>.</summary>
    internal string ShapeText => TextOf(_shape);

    /// <summary>Sizes as text; a hostile file may have thousands.</summary>
    internal static string TextOf(ReadOnlySpan<long> shape) =>
        shape.Length <= 8 ? $"[{string.Join(", ", shape.ToArray())}]" : $"[{string.Join(", ", shape[..8].ToArray())}, ... {shape.Length} sizes]";
}
