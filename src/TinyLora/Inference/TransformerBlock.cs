using System.Runtime.Intrinsics;
using TinyLora.Adapters;
using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>
/// One pre-norm transformer block: x += Output(Attention(Query h, Key h, Value h)) with h = RmsNorm(x), then x += Down(SwiGlu(Gate h, Up h)) with h = RmsNorm(x).
/// </summary>
internal static unsafe class TransformerBlock<TKernels>
    where TKernels : struct, IModelKernels
{
    public static void Forward(StepContext context, int layer, int worker)
    {
        var (a, workers, count) = (context.Activations, context.Workers, context.Step.RowCount);
        var w = context.Weights.Layers[layer];
        var (size, lora) = (context.Weights.Shape, context.Step.HasAdapters);

        var h = Input.Norm(context, a.Residual, w.AttentionNorm, BoundParts.NormsOfLayer * layer, w.Query.Type.IsQuantized() | w.Key.Type.IsQuantized() | w.Value.Type.IsQuantized(), count, worker);
        var down = lora ? Product<TKernels>.LoraDown(context, layer, LoraPlace.Attention, h, worker) : 0;
        Product<TKernels>.Multiply(context, w.Query, layer, LoraPlace.Attention, 0, h, a.Query, a.QueryStride, worker);
        Product<TKernels>.Multiply(context, w.Key, layer, LoraPlace.Attention, 1, h, a.Key, a.KeyValueStride, worker);
        Product<TKernels>.Multiply(context, w.Value, layer, LoraPlace.Attention, 2, h, a.Value, a.KeyValueStride, worker);
        if (lora)
        {
            workers.Await(down);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Attention, 0, size.QuerySize, a.Query, a.QueryStride, worker);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Attention, 1, size.KeyValueSize, a.Key, a.KeyValueStride, worker);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Attention, 2, size.KeyValueSize, a.Value, a.KeyValueStride, worker);
        }
        workers.Barrier();
        AttentionHeads.Run(context, w, layer, worker);
        workers.Barrier();

        h = Input.Of(context, a.Attended, a.QueryStride, size.QuerySize, w.Output.Type.IsQuantized(), count, worker);
        down = lora ? Product<TKernels>.LoraDown(context, layer, LoraPlace.Output, h, worker) : 0;
        Product<TKernels>.Multiply(context, w.Output, layer, LoraPlace.Output, 0, h, a.Delta, a.HiddenStride, worker);
        if (lora)
        {
            workers.Await(down);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Output, 0, size.HiddenSize, a.Delta, a.HiddenStride, worker);
        }
        AddToResidual(context, count, worker);
        workers.Barrier();

        h = Input.Norm(context, a.Residual, w.MlpNorm, BoundParts.NormsOfLayer * layer + 1, w.Gate.Type.IsQuantized() | w.Up.Type.IsQuantized(), count, worker);
        down = lora ? Product<TKernels>.LoraDown(context, layer, LoraPlace.Mlp, h, worker) : 0;
        Product<TKernels>.Multiply(context, w.Gate, layer, LoraPlace.Mlp, 0, h, a.Gate, a.IntermediateStride, worker);
        Product<TKernels>.Multiply(context, w.Up, layer, LoraPlace.Mlp, 1, h, a.Up, a.IntermediateStride, worker);
        if (lora)
        {
            workers.Await(down);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Mlp, 0, size.IntermediateSize, a.Gate, a.IntermediateStride, worker);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Mlp, 1, size.IntermediateSize, a.Up, a.IntermediateStride, worker);
        }
        Gate(context, count, worker);
        workers.Barrier();

        h = Input.Of(context, a.Gate, a.IntermediateStride, size.IntermediateSize, w.Down.Type.IsQuantized(), count, worker);
        down = lora ? Product<TKernels>.LoraDown(context, layer, LoraPlace.Down, h, worker) : 0;
        Product<TKernels>.Multiply(context, w.Down, layer, LoraPlace.Down, 0, h, a.Delta, a.HiddenStride, worker);
        if (lora)
        {
            workers.Await(down);
            Product<TKernels>.LoraUp(context, layer, LoraPlace.Down, 0, size.HiddenSize, a.Delta, a.HiddenStride, worker);
        }
        AddToResidual(context, count, worker);
        workers.Barrier();
    }

    private static void AddToResidual(StepContext context, int count, int worker)
    {
        var a = context.Activations;
        var size = context.Weights.Shape.HiddenSize;
        var (first, end) = context.Workers.Share(size, 8, worker);
        for (var t = 0; t < count; t++)
        {
            var x = a.Residual + t * (nint)a.HiddenStride;
            var delta = a.Delta + t * (nint)a.HiddenStride;
            var r = first;
            for (; r + 8 <= end; r += 8) Vector256.Store(Vector256.Load(x + r) + Vector256.Load(delta + r), x + r);
            // The padding of the stream stays zero.
            for (; r < end; r++) x[r] += delta[r];
        }
    }

    private static void Gate(StepContext context, int count, int worker)
    {
        var a = context.Activations;
        var size = context.Weights.Shape.IntermediateSize;
        var (first, end) = context.Workers.Share(size, 8, worker);
        for (var t = 0; t < count; t++)
        {
            var gate = a.Gate + t * (nint)a.IntermediateStride;
            SwiGlu.Apply(gate + first, a.Up + t * (nint)a.IntermediateStride + first, end - first);
            for (var r = size; r < ((size + 7) & ~7); r++) if (end == size) gate[r] = 0;
        }
    }
}
