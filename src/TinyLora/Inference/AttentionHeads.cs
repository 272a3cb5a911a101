using TinyLora.Adapters;
using TinyLora.Kernels;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>Rotates queries and keys, stores keys and values, and attends, each worker for its own heads.</summary>
internal static unsafe class AttentionHeads
{
    public static void Run(StepContext context, LayerWeights w, int layer, int worker)
    {
        var shape = context.Weights.Shape;
        var (first, end) = context.Workers.Share(shape.HeadCount, 1, worker);
        var step = context.Step;
        for (var i = 0; i < step.SegmentCount; i++)
            if (first < end) Prepare(context, w, layer, step.Segment(i), first, end, worker);
        if (step.RowCount == 1)
        {
            // Every worker has stored the keys that its own heads see: nothing to wait for.
            if (first < end) Attend(context, layer, step.Segment(0), 0, first, end, worker);
            return;
        }
        context.Workers.Barrier();
        for (var i = 0; i < step.SegmentCount; i++)
        {
            ref readonly var segment = ref step.Segment(i);
            // Late rows see more: rows are dealt in turn, heads are not split.
            for (var row = 0; row < segment.RowCount; row++)
            {
                var (from, to) = Turn(shape.HeadCount, context.Workers.Count, (worker + segment.FirstRow + row) % context.Workers.Count);
                if (from < to) Attend(context, layer, segment, row, from, to, worker);
            }
        }
    }

    private static (int From, int To) Turn(int heads, int workers, int turn) => ((int)((long)heads * turn / workers), (int)((long)heads * (turn + 1) / workers));

    private static void Prepare(StepContext context, LayerWeights w, int layer, in Segment segment, int first, int end, int worker)
    {
        var (a, shape) = (context.Activations, context.Weights.Shape);
        var head = a.Private[worker].Head;
        var group = shape.HeadCount / shape.KeyValueHeadCount;
        var queryNorm = w.QueryNorm;
        var keyNorm = w.KeyNorm;
        if ((context.Step.Changes & AdapterChanges.Norms) != 0)
        {
            var query = segment.Adapters.Norm(BoundParts.NormsOfLayer * layer + 2);
            var key = segment.Adapters.Norm(BoundParts.NormsOfLayer * layer + 3);
            if (query != null) queryNorm = query;
            if (key != null) keyNorm = key;
        }
        for (var i = 0; i < segment.RowCount; i++)
        {
            nint row = segment.FirstRow + i;
            var cos = a.Cos + row * a.HeadStride;
            var sin = a.Sin + row * a.HeadStride;
            for (var h = first; h < end; h++)
            {
                var x = a.Query + row * a.QueryStride + h * (nint)shape.HeadSize;
                if (queryNorm != null) RmsNorm.Apply(x, queryNorm, x, shape.HeadSize, shape.RmsNormEpsilon);
                RotaryEmbedding.Rotate(x, a.RotatedQuery + row * a.QueryStride + h * (nint)shape.HeadSize, cos, sin, shape.HeadSize, shape.RotaryLayout);
            }
            // A key head that two workers' query heads share is stored by both, with the same bits.
            for (var h = first / group; h <= (end - 1) / group; h++)
            {
                var x = a.Key + row * a.KeyValueStride + h * (nint)shape.HeadSize;
                if (keyNorm != null)
                {
                    RmsNorm.Apply(x, keyNorm, head + a.HeadStride, shape.HeadSize, shape.RmsNormEpsilon);
                    x = head + a.HeadStride;
                }
                RotaryEmbedding.Rotate(x, head, cos, sin, shape.HeadSize, shape.RotaryLayout);
                segment.Cache.Store(layer, h, segment.FirstPosition + i, head, a.Value + row * a.KeyValueStride + h * (nint)shape.HeadSize);
            }
        }
    }

    private static void Attend(StepContext context, int layer, in Segment segment, int index, int first, int end, int worker)
    {
        var (a, shape) = (context.Activations, context.Weights.Shape);
        ref readonly var own = ref a.Private[worker];
        nint row = segment.FirstRow + index;
        var last = segment.FirstPosition + index;
        var window = layer >= shape.SlidingWindowFirstLayer ? shape.SlidingWindow : 0;
        var from = window > 0 ? Math.Max(0, last - window + 1) : 0;
        var group = shape.HeadCount / shape.KeyValueHeadCount;
        var scale = 1f / MathF.Sqrt(shape.HeadSize);
        for (var h = first; h < end; h++)
        {
            var query = a.RotatedQuery + row * a.QueryStride + h * (nint)shape.HeadSize;
            var output = a.Attended + row * a.QueryStride + h * (nint)shape.HeadSize;
            // A head whose size is no multiple of 8 is finished aside: its last vector would touch the next head.
            var aside = segment.Cache.ValueStride != shape.HeadSize;
            Attention.Head(query, segment.Cache.Keys(layer, h / group), segment.Cache.Values(layer, h / group), from, last, shape.HeadSize, segment.Cache.ValueStride,
                scale, own.Scores, aside ? own.Head : output);
            if (aside) new ReadOnlySpan<float>(own.Head, shape.HeadSize).CopyTo(new Span<float>(output, shape.HeadSize));
        }
    }
}
