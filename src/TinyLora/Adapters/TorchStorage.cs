using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>The numbers that tensors of a torch file are views of.</summary>
internal sealed unsafe class TorchStorage(string key, ElementType type, long count)
{
    /// <summary>Name in the file.</summary>
    public string Key { get; } = key;

    public ElementType Type { get; } = type;

    /// <summary>Numbers.</summary>
    public long Count { get; } = count;

    /// <summary>[Count], set when the file's layout is known.</summary>
    public byte* Data { get; set; }
}

/// <summary>A tensor of a torch file: Shape numbers of a storage, from Offset on, Strides apart.</summary>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Shape, long[] Strides);
