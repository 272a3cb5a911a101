using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>A tensor of the base that a merge changed, or stored anew. Where the error is not far below the change, the type is too coarse for the adapter.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">How it is stored now.</param>
/// <param name="Error">What rounding to that type adds: root mean square of the difference to the exact merged numbers, relative to theirs.</param>
/// <param name="Change">What the adapters change: root mean square of the difference to the base, relative to the merged numbers.</param>
public readonly record struct MergedTensor(string Name, ElementType Type, double Error, double Change);
