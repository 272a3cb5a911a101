using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>A tensor of the model that a merge writes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Source">The base's, whose numbers it begins with; null: zeros.</param>
/// <param name="Type">How it is stored; null: as it is, in a type that is not computed with.</param>
/// <param name="Shape">Outermost first.</param>
/// <param name="File">The base's file in whose counterpart it is written.</param>
/// <param name="Place">What it is; null: no weight.</param>
/// <param name="IsChanged">Whether an adapter changes its numbers.</param>
internal sealed record PlannedTensor(string Name, TensorEntry? Source, ElementType? Type, long[] Shape, string File, TensorPlace? Place, bool IsChanged)
{
    public string TypeName => Type?.ToString() ?? Source!.TypeName;

    public int Columns => (int)Shape[^1];

    public long Rows => Count / Columns;

    public long Bytes => Type?.ByteCount(Count) ?? Source!.ByteCount;

    private long Count
    {
        get
        {
            var count = 1L;
            foreach (var size in Shape) count = checked(count * size);
            return count;
        }
    }
}
