using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>A tensor of the base that a merge changed.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Type">How it is stored, before and after.</param>
/// <param name="Error">What rounding to that type adds: root mean square of the difference to the exact merged numbers, relative to theirs.</param>
public readonly record struct MergedTensor(string Name, ElementType Type, double Error);
