using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>A or B of one projection in the adapter's own memory, [Rows, Columns], row after row.</summary>
internal readonly unsafe struct LoraMatrix(string tensor, ElementType type, int rows, int columns, byte* data)
{
    /// <summary>Name of the tensor that it was read from.</summary>
    public string Tensor { get; } = tensor;

    /// <summary>F32, F16 or BF16.</summary>
    public ElementType Type { get; } = type;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public byte* Data { get; } = data;

    public long Count => (long)Rows * Columns;

    public long Bytes => Type.ByteCount(Count);
}
