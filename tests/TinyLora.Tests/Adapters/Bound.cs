using TinyLora.Adapters;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Tests.Adapters;

/// <summary>What an adapter became for a model, read back into plain arrays.</summary>
internal static unsafe class Bound
{
    /// <summary>A kernel number that says what it was asked for.</summary>
    public static int FindKernel(ElementType type, int rows, int columns) => (int)type * 1_000_000 + rows * 10_000 + columns;

    public static BoundAdapter Bind(LoraAdapter adapter, ModelWeights weights) => adapter.Bind(weights, FindKernel);

    /// <summary>Everything that the kernels will see, place by place, as text.</summary>
    public static List<string> Dump(LoraAdapter adapter, ModelWeights weights)
    {
        using var bound = Bind(adapter, weights);
        var dump = new List<string>();
        for (var layer = 0; layer < weights.Layers.Length; layer++)
            foreach (var place in Enum.GetValues<LoraPlace>())
            {
                ref readonly var site = ref bound.Site(layer, place);
                if (site.Rank == 0 || (place == LoraPlace.Head && layer > 0)) continue;
                var size = (int)site.Type.ByteCount((long)site.Rank * site.Columns);
                dump.Add($"{layer} {place} A {site.Type} {site.Rank} x {site.Columns} kernel {site.Kernel}: {Convert.ToHexString(new ReadOnlySpan<byte>(site.A, size))}");
                var rows = RowsOf(weights, layer, place);
                Dump(dump, $"{layer} {place} 1", site.First, rows[0]);
                if (rows.Length > 1) Dump(dump, $"{layer} {place} 2", site.Second, rows[1]);
                if (rows.Length > 2) Dump(dump, $"{layer} {place} 3", site.Third, rows[2]);
            }
        ref readonly var embedding = ref bound.Parts.EmbeddingLora;
        if (embedding.Rank > 0) dump.Add($"embedding rank {embedding.Rank} times {embedding.Scaling:R}: {Convert.ToHexString(new ReadOnlySpan<byte>(embedding.A, 4 * embedding.Rank * weights.Embedding.Rows))}");
        return dump;
    }

    public static int[] RowsOf(ModelWeights weights, int index, LoraPlace place)
    {
        var layer = weights.Layers[index];
        return place switch
        {
            LoraPlace.Attention => [layer.Query.Rows, layer.Key.Rows, layer.Value.Rows],
            LoraPlace.Output => [layer.Output.Rows],
            LoraPlace.Mlp => [layer.Gate.Rows, layer.Up.Rows],
            LoraPlace.Down => [layer.Down.Rows],
            _ => [weights.Head.Rows],
        };
    }

    private static void Dump(List<string> dump, string place, in LoraProjection projection, int rows)
    {
        if (projection.B == null) return;
        var size = (int)projection.Type.ByteCount((long)(rows + 7) / 8 * 8 * projection.Rank);
        dump.Add($"{place} B {projection.Type} rank {projection.Rank} at {projection.Offset} times {projection.Scaling:R}: {Convert.ToHexString(new ReadOnlySpan<byte>(projection.B, size))}");
    }
}
