using TinyLora.Adapters;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>One step of the transformer on all workers at once: tokens in, logits out. Every worker runs this same code on its own rows and heads.</summary>
internal static unsafe class ForwardPass
{
    public static void Run<TKernels>(StepContext context, int worker)
        where TKernels : struct, IModelKernels
    {
        Embed(context, worker);
        context.Workers.Barrier();
        for (var layer = 0; layer < context.Weights.Layers.Length; layer++) TransformerBlock<TKernels>.Forward(context, layer, worker);
        if (context.Step.LogitCount > 0) Head<TKernels>(context, worker);
    }

    private static void Embed(StepContext context, int worker)
    {
        var (step, a, shape) = (context.Step, context.Activations, context.Weights.Shape);
        ref readonly var embedding = ref context.Weights.Embedding;
        var rowBytes = (nint)embedding.Type.ByteCount(embedding.Columns);
        var (first, end) = context.Workers.Share(step.RowCount, 1, worker);
        for (var row = first; row < end; row++)
            Conversions.Decode(embedding.Type, embedding.Weights + step.Tokens[row] * rowBytes, a.Residual + row * (nint)a.HiddenStride, shape.HiddenSize);
        if ((step.Changes & AdapterChanges.Embedding) != 0) AdaptedEmbedding.Apply(context, first, end);
        for (var i = 0; i < step.SegmentCount; i++)
        {
            ref readonly var segment = ref step.Segment(i);
            for (var row = Math.Max(first, segment.FirstRow); row < Math.Min(end, segment.FirstRow + segment.RowCount); row++)
                RotaryEmbedding.Angles(context.Weights.RotaryFrequencies, context.Weights.RotaryMagnitude, segment.FirstPosition + row - segment.FirstRow,
                    shape.RotaryLayout, a.Cos + row * (nint)a.HeadStride, a.Sin + row * (nint)a.HeadStride);
        }
    }

    private static void Head<TKernels>(StepContext context, int worker)
        where TKernels : struct, IModelKernels
    {
        var (step, a) = (context.Step, context.Activations);
        // Only the rows whose logits are wanted; they move to the front, in ascending order.
        if (worker == 0)
            for (var i = 0; i < step.LogitCount; i++)
                if (step.LogitRow(i) != i)
                    new ReadOnlySpan<float>(a.Residual + step.LogitRow(i) * (nint)a.HiddenStride, a.HiddenStride).CopyTo(new Span<float>(a.Residual + i * (nint)a.HiddenStride, a.HiddenStride));
        context.Workers.Barrier();
        ref readonly var head = ref context.Weights.Head;
        var input = Input.Norm(context, a.Residual, context.Weights.FinalNorm, BoundParts.NormsOfLayer * context.Weights.Layers.Length, head.Type.IsQuantized(), step.LogitCount, worker);
        if ((step.Changes & AdapterChanges.Head) != 0) AdaptedHead<TKernels>.Multiply(context, input, worker);
        else Product<TKernels>.Multiply(context, head, input, step.LogitCount, step.Logits, step.LogitsStride, worker);
    }
}
