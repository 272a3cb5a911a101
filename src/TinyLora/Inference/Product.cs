using TinyLora.Adapters;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>y = W x + b, then + scale · B (A x) for each adapter of a row's segment; a worker computes its own rows of W.</summary>
internal static unsafe class Product<TKernels>
    where TKernels : struct, IModelKernels
{
    /// <summary>W x + b for this worker's rows of W and all rows of x.</summary>
    public static void Multiply(StepContext context, in Linear w, in Input input, int count, float* y, nint yStride, int worker)
    {
        var (first, end) = context.Workers.Share(w.Rows, 8, worker);
        if (first == end) return;
        var quantized = w.Type.IsQuantized();
        var x = quantized ? input.Quantized : (byte*)input.Floats;
        if (count == 1) TKernels.MultiplyVector(w.Kernel, w.Weights, w.Columns, x, y, first, end);
        else
        {
            var stride = quantized ? QuantizedRow.Bytes(w.Columns) : input.FloatStride * sizeof(float);
            TKernels.MultiplyMatrix(w.Kernel, w.Weights, w.Columns, x, stride, count, y, yStride, first, end, context.Activations.Private[worker].Scratch);
        }
        if (w.Bias == null) return;
        for (var t = 0; t < count; t++)
            for (var r = first; r < end; r++) y[t * yStride + r] += w.Bias[r];
    }

    /// <summary>W x + b of a layer's projection for all rows of the step.</summary>
    public static void Multiply(StepContext context, in Linear w, int layer, LoraPlace place, int index, in Input input, float* y, nint yStride, int worker)
    {
        if ((context.Step.Changes & AdapterChanges.Matrices) == 0) Multiply(context, w, input, context.Step.RowCount, y, yStride, worker);
        else MultiplyOwn(context, w, layer, place, index, input, y, yStride, worker);
    }

    /// <summary>W x + b where a sequence may have a W of its own.</summary>
    public static void MultiplyOwn(StepContext context, in Linear w, int layer, LoraPlace place, int index, in Input input, float* y, nint yStride, int worker)
    {
        var step = context.Step;
        var projection = BoundParts.NumberOf(layer, place, index, context.Weights.Layers.Length);
        for (var i = 0; i < step.SegmentCount;)
        {
            // Neighbours with the same matrix are one pass over it.
            ref readonly var own = ref step.Segment(i).Adapters.Matrix(projection, w);
            var (first, count) = step.Segment(i++).RowsAt(place);
            while (i < step.SegmentCount && step.Segment(i).Adapters.Matrix(projection, w).Weights == own.Weights) count += step.Segment(i++).RowsAt(place).Count;
            if (count > 0) Multiply(context, own, input.From(first, own.Columns), count, y + first * yStride, yStride, worker);
        }
    }

    /// <summary>t = scale · A x of every active adapter at a place: this worker's share of all ranks. The caller computes W x before it awaits the barrier that this arrives at; the kernels of W learn what is read after it.</summary>
    /// <returns>The barrier's phase.</returns>
    public static int LoraDown(StepContext context, int layer, LoraPlace place, in Input input, int worker)
    {
        var a = context.Activations;
        var shares = new LoraShares(context, layer, place, worker);
        while (shares.MoveNext())
        {
            ref readonly var site = ref shares.Site;
            var (row, count) = shares.Segment.RowsOf(shares.Adapter, place);
            if (count == 0) continue;
            var x = (byte*)(input.Floats + row * input.FloatStride);
            var t = a.Lora + row * (nint)a.LoraStride + shares.Column;
            if (count == 1) TKernels.MultiplyVector(site.Kernel, site.A, site.Columns, x, t, shares.First, shares.End);
            else TKernels.MultiplyMatrix(site.Kernel, site.A, site.Columns, x, input.FloatStride * sizeof(float), count, t, a.LoraStride, shares.First, shares.End, a.Private[worker].Scratch);
            var scale = shares.Segment.Adapters.Scale(shares.Adapter);
            Scale(site.First, scale, t, a.LoraStride, count, shares.First, shares.End);
            Scale(site.Second, scale, t, a.LoraStride, count, shares.First, shares.End);
            Scale(site.Third, scale, t, a.LoraStride, count, shares.First, shares.End);
        }
        var phase = context.Workers.Arrive();
        if (context.Step.RowCount > 1 && place != LoraPlace.Head) AdapterLookahead.Plan(context, layer, place, worker);
        return phase;
    }

    /// <summary>y += B t for this worker's rows, <paramref name="index"/> 0, 1 or 2 for the place's first, second or third projection.</summary>
    public static void LoraUp(StepContext context, int layer, LoraPlace place, int index, int rows, float* y, nint yStride, int worker)
    {
        var (step, a) = (context.Step, context.Activations);
        var (first, end) = context.Workers.Share(rows, 8, worker);
        if (first == end) return;
        for (var i = 0; i < step.SegmentCount; i++)
        {
            ref readonly var segment = ref step.Segment(i);
            var column = 0;
            var shift = (segment.Adapters.Changes & AdapterChanges.Biases) != 0 ? segment.Adapters.Shift(BoundParts.NumberOf(layer, place, index, context.Weights.Layers.Length)) : null;
            if (shift != null) ProjectionUp<TKernels>.AddScaled(shift, 1, segment.RowCount, y + segment.FirstRow * yStride, yStride, first, end);
            for (var j = 0; j < segment.Adapters.Count; j++)
            {
                ref readonly var site = ref segment.Adapters[j].Site(layer, place);
                if (site.Rank == 0) continue;
                var (row, count) = segment.RowsOf(j, place);
                var t = a.Lora + row * (nint)a.LoraStride + column;
                column += Activations.Stride(site.Rank);
                ref readonly var projection = ref index == 0 ? ref site.First : ref index == 1 ? ref site.Second : ref site.Third;
                if (projection.B == null || count == 0) continue;
                if (projection.Vectors != null) ProjectionUp<TKernels>.Apply(projection, segment.Adapters.Scale(j), shift, t + projection.Offset, a.LoraStride, count, y + row * yStride, yStride, first, end);
                else TKernels.LoraUp((int)projection.Type, projection.B, projection.Rank, t + projection.Offset, a.LoraStride, count, y + row * yStride, yStride, first, end);
            }
        }
    }

    private static void Scale(in LoraProjection projection, float scale, float* t, nint stride, int count, int first, int end)
    {
        if (projection.B == null) return;
        var factor = scale * projection.Scaling;
        for (var row = 0; row < count; row++)
            for (var j = Math.Max(first, projection.Offset); j < Math.Min(end, projection.Offset + projection.Rank); j++) t[row * stride + j] *= factor;
    }
}
