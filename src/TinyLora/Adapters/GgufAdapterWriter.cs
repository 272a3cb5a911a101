using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Writes an adapter as llama.cpp reads it: GGUF 3, X.lora_a and X.lora_b beside each base tensor X.</summary>
internal static unsafe class GgufAdapterWriter
{
    /// <param name="content">The adapter.</param>
    /// <param name="path">The file; replaced if it is there.</param>
    /// <param name="shape">The base model's.</param>
    /// <param name="baseHash">The base model's, or null.</param>
    public static void Write(AdapterContent content, string path, ModelShape shape, ModelHash? baseHash) => AdapterOutput.Replace(path, stream => Write(content, stream, shape, baseHash));

    private static void Write(AdapterContent content, Stream stream, ModelShape shape, ModelHash? baseHash)
    {
        var alpha = AlphaFor(content);
        var pairs = content.PairsFor(shape);
        var output = new GgufOutput();
        output.Key("general.type", "adapter");
        output.Key("general.architecture", shape.Architecture);
        output.Key("adapter.type", "lora");
        output.Key("adapter.lora.alpha", alpha);
        if (content.InvocationTokens.Length > 0) output.Key("adapter.alora.invocation_tokens", content.InvocationTokens);
        if (baseHash != null) output.Key(ModelHash.Key, baseHash.ToString());
        foreach (var pair in pairs)
        {
            var name = $"{WeightNames.Gguf(pair.Kind, pair.Layer)}.weight";
            var (type, isTurned) = (TypeOfB(pair, alpha), pair.Kind == WeightKind.Embedding);
            output.Tensor($"{name}.lora_a", isTurned ? [pair.A.Columns, pair.A.Rows] : [pair.A.Rows, pair.A.Columns], pair.A.Type.ToString(), pair.A.Bytes);
            output.Tensor($"{name}.lora_b", [pair.B.Rows, pair.B.Columns], type.ToString(), type.ByteCount(pair.B.Count));
        }
        var order = shape.Architecture == "llama" ? RotaryLayout.Interleaved : RotaryLayout.Halves;
        output.Write(stream, (to, i) =>
        {
            var pair = pairs[i / 2];
            // The embedding's A is [VocabularySize, Rank] here: a token's row is looked up.
            if (i % 2 == 0 && pair.Kind == WeightKind.Embedding) AdapterOutput.WriteTurned(to, pair.A);
            else if (i % 2 == 0) AdapterOutput.WriteA(to, pair);
            else if (FactorOf(pair, alpha) == 1) AdapterOutput.WriteB(to, content, pair, order, shape.HeadSize);
            else WriteScaled(to, content, pair, FactorOf(pair, alpha), order, shape.HeadSize);
        });
    }

    /// <summary>The one alpha of the file; not 0, which would mean a scaling of 1.</summary>
    private static float AlphaFor(AdapterContent content)
    {
        foreach (var pair in content.Pairs)
            if (pair.Scaling != 0) return (float)((double)pair.Scaling * pair.Rank);
        return 1f;
    }

    /// <summary>What B must be multiplied by where one alpha for all does not give the pair's scaling.</summary>
    private static double FactorOf(LoraPair pair, float alpha)
    {
        var scaling = (double)alpha / pair.Rank;
        return (float)scaling == pair.Scaling ? 1 : pair.Scaling / scaling;
    }

    private static ElementType TypeOfB(LoraPair pair, float alpha) => FactorOf(pair, alpha) == 1 ? pair.B.Type : ElementType.F32;

    private static void WriteScaled(Stream stream, AdapterContent content, LoraPair pair, double factor, RotaryLayout layout, int headSize)
    {
        var row = new float[pair.B.Columns];
        for (var r = 0; r < pair.B.Rows; r++)
        {
            var source = AdapterOutput.Row(pair.B, content.SourceRow(pair.Kind, r, layout, headSize));
            fixed (byte* bytes = source)
            fixed (float* values = row)
                Conversions.Decode(pair.B.Type, bytes, values, row.Length);
            for (var j = 0; j < row.Length; j++) row[j] = (float)(row[j] * factor);
            stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(row.AsSpan()));
        }
    }
}
