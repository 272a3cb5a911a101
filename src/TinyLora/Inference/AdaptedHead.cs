using System.Runtime.Intrinsics;
using TinyLora.Adapters;
using TinyLora.Kernels;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>The head where an adapter changes it: another matrix, other rows for some tokens, and B (A x), each for the rows of its own sequence.</summary>
internal static unsafe class AdaptedHead<TKernels>
    where TKernels : struct, IModelKernels
{
    /// <param name="context">The step.</param>
    /// <param name="input">The rows whose logits are wanted.</param>
    /// <param name="worker">Which worker this is.</param>
    public static void Multiply(StepContext context, in Input input, int worker)
    {
        var step = context.Step;
        var down = Product<TKernels>.LoraDown(context, 0, LoraPlace.Head, input, worker);
        Product<TKernels>.MultiplyOwn(context, context.Weights.Head, 0, LoraPlace.Head, 0, input, step.Logits, step.LogitsStride, worker);
        ReplaceRows(context, input, worker);
        context.Workers.Await(down);
        Product<TKernels>.LoraUp(context, 0, LoraPlace.Head, 0, context.Weights.Head.Rows, step.Logits, step.LogitsStride, worker);
    }

    private static void ReplaceRows(StepContext context, in Input input, int worker)
    {
        var step = context.Step;
        var size = context.Weights.Shape.HiddenSize;
        var (firstToken, endToken) = context.Workers.Share(context.Weights.Head.Rows, 8, worker);
        for (var i = 0; i < step.SegmentCount; i++)
        {
            ref readonly var segment = ref step.Segment(i);
            for (var j = 0; j < segment.Adapters.Count; j++)
            {
                ref readonly var rows = ref segment.Adapters[j].Parts.HeadRows;
                for (var n = 0; n < rows.Count; n++)
                {
                    var token = rows.Tokens[n];
                    if (token < firstToken || token >= endToken) continue;
                    for (var t = segment.FirstLogit; t < segment.FirstLogit + segment.LogitCount; t++)
                        step.Logits[t * step.LogitsStride + token] = Dot(rows.Rows + n * (nint)size, input.Floats + t * input.FloatStride, size);
                }
            }
        }
    }

    private static float Dot(float* w, float* x, int size)
    {
        var whole = size & ~7;
        var lanes = Vector256<float>.Zero;
        for (var k = 0; k < whole; k += 8) lanes = Vector256.FusedMultiplyAdd(Vector256.Load(w + k), Vector256.Load(x + k), lanes);
        for (var k = whole; k < size; k++) lanes = lanes.WithElement(k & 7, MathF.FusedMultiplyAdd(w[k], x[k], lanes[k & 7]));
        return Lanes.Sum(lanes);
    }
}
