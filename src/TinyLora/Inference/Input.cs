using TinyLora.Adapters;
using TinyLora.Kernels;

namespace TinyLora.Inference;

/// <summary>The rows that matrices of one place multiply: as float32, and quantised if one of the matrices is.</summary>
internal readonly unsafe struct Input
{
    /// <summary>[rows, FloatStride]</summary>
    public readonly float* Floats;
    /// <summary>In floats.</summary>
    public readonly nint FloatStride;
    /// <summary>Quantised rows, QuantizedRow.Bytes apart; null where no matrix needs them.</summary>
    public readonly byte* Quantized;

    private Input(float* floats, nint floatStride, byte* quantized)
    {
        Floats = floats;
        FloatStride = floatStride;
        Quantized = quantized;
    }

    /// <summary>The rows from <paramref name="row"/> on.</summary>
    public Input From(int row, int columns) => new(Floats + row * FloatStride, FloatStride, Quantized == null ? null : Quantized + row * (nint)QuantizedRow.Bytes(columns));

    /// <summary>RMS-normalises rows of the residual stream.</summary>
    /// <param name="context">The step.</param>
    /// <param name="x">[count, HiddenStride]</param>
    /// <param name="weight">The base's.</param>
    /// <param name="norm">Its number among the norms that adapters may replace.</param>
    /// <param name="quantize">Whether a matrix needs the rows quantised.</param>
    /// <param name="count">Rows: those of the step, or of its logits for the final norm.</param>
    /// <param name="worker">Which worker this is.</param>
    public static Input Norm(StepContext context, float* x, float* weight, int norm, bool quantize, int count, int worker)
    {
        var replaced = (context.Step.Changes & AdapterChanges.Norms) != 0;
        var (a, shape) = (context.Activations, context.Weights.Shape);
        ref readonly var own = ref a.Private[worker];
        var normed = count == 1 ? own.Normed : a.Normed;
        var quantized = count == 1 ? own.Quantized : a.Quantized;
        var bytes = QuantizedRow.Bytes(shape.HiddenSize);
        // One row is cheaper made by every worker for itself than waited for.
        var (first, end) = count == 1 ? (0, 1) : context.Workers.Share(count, 1, worker);
        for (var row = first; row < end; row++)
        {
            var y = normed + row * (nint)a.HiddenStride;
            RmsNorm.Apply(x + row * (nint)a.HiddenStride, replaced ? WeightOf(context, norm, row, weight) : weight, y, shape.HiddenSize, shape.RmsNormEpsilon);
            if (quantize) QuantizedRow.Quantize(y, quantized + row * (nint)bytes, shape.HiddenSize);
        }
        if (count > 1) context.Workers.Barrier();
        return new Input(normed, a.HiddenStride, quantize ? quantized : null);
    }

    /// <summary>The norm's weight for a row: its sequence may have one of its own.</summary>
    private static float* WeightOf(StepContext context, int norm, int row, float* weight)
    {
        var step = context.Step;
        // Rows of the final norm are those whose logits are wanted.
        var isFinal = norm == BoundParts.NormsOfLayer * context.Weights.Layers.Length;
        var own = step.Segment(step.SegmentOf(isFinal ? step.LogitRow(row) : row)).Adapters.Norm(norm);
        return own != null ? own : weight;
    }

    /// <summary>Takes rows as they are, [count, stride] of <paramref name="columns"/> numbers.</summary>
    public static Input Of(StepContext context, float* x, nint stride, int columns, bool quantize, int count, int worker)
    {
        if (!quantize) return new Input(x, stride, null);
        var a = context.Activations;
        var quantized = count == 1 ? a.Private[worker].Quantized : a.Quantized;
        var bytes = QuantizedRow.Bytes(columns);
        var (first, end) = count == 1 ? (0, 1) : context.Workers.Share(count, 1, worker);
        for (var row = first; row < end; row++) QuantizedRow.Quantize(x + row * stride, quantized + row * (nint)bytes, columns);
        if (count > 1) context.Workers.Barrier();
        return new Input(x, stride, quantized);
    }
}
