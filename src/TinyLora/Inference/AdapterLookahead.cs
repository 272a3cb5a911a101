using TinyLora.Adapters;
using TinyLora.Kernels;
using TinyLora.Numerics;

namespace TinyLora.Inference;

/// <summary>
/// Tells a worker's mat-mat kernels what it reads of the adapters next. A step of several rows computes longer than it reads, so that a sequence's own adapter is in
/// the cache when it is wanted.
/// </summary>
internal static unsafe class AdapterLookahead
{
    /// <summary>During the base's products at a place: this worker's rows of each B there, and its ranks of each A at the place after it.</summary>
    public static void Plan(StepContext context, int layer, LoraPlace place, int worker)
    {
        ref var lookahead = ref *(Lookahead*)context.Activations.Private[worker].Scratch;
        lookahead.Clear();
        var (step, w) = (context.Step, context.Weights.Layers[layer]);
        var (first, second, third) = place switch
        {
            LoraPlace.Attention => (w.Query.Rows, w.Key.Rows, w.Value.Rows),
            LoraPlace.Output => (w.Output.Rows, 0, 0),
            LoraPlace.Mlp => (w.Gate.Rows, w.Up.Rows, 0),
            _ => (w.Down.Rows, 0, 0),
        };
        byte* last = null;
        for (var i = 0; i < step.SegmentCount; i++)
        {
            var adapters = step.Segment(i).Adapters;
            for (var j = 0; j < adapters.Count; j++)
            {
                ref readonly var site = ref adapters[j].Site(layer, place);
                // Neighbours often have the same.
                if (site.Rank == 0 || site.A == last) continue;
                last = site.A;
                AddUp(context, ref lookahead, site.First, first, worker);
                AddUp(context, ref lookahead, site.Second, second, worker);
                AddUp(context, ref lookahead, site.Third, third, worker);
            }
        }
        (layer, place) = place == LoraPlace.Down ? (layer + 1, LoraPlace.Attention) : (layer, place + 1);
        if (layer == context.Weights.Layers.Length) return;
        var shares = new LoraShares(context, layer, place, worker);
        while (shares.MoveNext())
        {
            ref readonly var site = ref shares.Site;
            lookahead.Add(site.A + site.Type.ByteCount((long)shares.First * site.Columns), site.Type.ByteCount((long)(shares.End - shares.First) * site.Columns));
        }
    }

    private static void AddUp(StepContext context, ref Lookahead lookahead, in LoraProjection projection, int rows, int worker)
    {
        if (projection.B == null) return;
        var (first, end) = context.Workers.Share(rows, 8, worker);
        lookahead.Add(projection.B + projection.Type.ByteCount((long)first * projection.Rank), projection.Type.ByteCount((long)(end - first) * projection.Rank));
    }
}
