using System.Runtime.Intrinsics;
using TinyLora.Adapters;
using TinyLora.Numerics;

namespace TinyLora.Inference;

/// <summary>The embedding where an adapter changes it: another matrix, other rows for some tokens, and B A of the token, each for the rows of its own sequence.</summary>
internal static unsafe class AdaptedEmbedding
{
    /// <summary>Changes rows [first, end), which hold the base's embedding.</summary>
    public static void Apply(StepContext context, int first, int end)
    {
        var (step, a) = (context.Step, context.Activations);
        for (var row = first; row < end; row++)
        {
            var x = a.Residual + row * (nint)a.HiddenStride;
            var adapters = step.Segment(step.SegmentOf(row)).Adapters;
            for (var j = 0; j < adapters.Count; j++) Replace(adapters[j].Parts, step.Tokens[row], x, context.Weights.Shape.HiddenSize);
            for (var j = 0; j < adapters.Count; j++) Add(adapters[j].Parts.EmbeddingLora, adapters.Scale(j), step.Tokens[row], x, context.Weights.Shape.HiddenSize);
        }
    }

    private static void Replace(BoundParts parts, int token, float* x, int size)
    {
        ref readonly var embedding = ref parts.Embedding;
        if (embedding.Weights != null) Conversions.Decode(embedding.Type, embedding.Weights + token * (nint)embedding.Type.ByteCount(size), x, size);
        var row = parts.EmbeddingRows.Find(token);
        if (row >= 0) new ReadOnlySpan<float>(parts.EmbeddingRows.Rows + row * (nint)size, size).CopyTo(new Span<float>(x, size));
    }

    private static void Add(in EmbeddingLora lora, float scale, int token, float* x, int size)
    {
        if (lora.Rank == 0) return;
        var factor = scale * lora.Scaling;
        for (var j = 0; j < lora.Rank; j++) DoraGain.AddScaled(x, lora.B + j * (nint)size, factor * lora.A[token * (nint)lora.Rank + j], size);
        if (lora.Magnitude == null) return;
        var k = 0;
        for (; k + 8 <= size; k += 8) Vector256.Store(Vector256.Load(x + k) * DoraGain.Of(lora.Magnitude, lora.Terms, k, factor), x + k);
        // What pads the stream stays zero.
        for (var r = k; r < size; r++) x[r] *= DoraGain.Of(lora.Magnitude, lora.Terms, k, factor).GetElement(r - k);
    }
}
