using System.Runtime.InteropServices;
using TinyLora.Files;
using TinyLora.Inference;

namespace TinyLora.Tests.Goldens;

/// <summary>Tensors of golden files, and how far logits are from them.</summary>
internal static unsafe class GoldenTensor
{
    public static float[] Floats(SafetensorsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor), name);
        return new ReadOnlySpan<float>(tensor!.Data, (int)tensor.ElementCount).ToArray();
    }

    public static int[] Ints(SafetensorsFile file, string name)
    {
        Assert.True(file.TryGetTensor(name, out var tensor), name);
        return new ReadOnlySpan<int>(tensor!.Data, (int)tensor.ElementCount).ToArray();
    }

    /// <summary>Logits after every token, [tokens, vocabulary].</summary>
    public static float[] Logits(Model model, ReadOnlySpan<int> tokens, SessionOptions? options = null)
    {
        using var session = model.CreateSession(options);
        var logits = new float[tokens.Length * model.Shape.VocabularySize];
        session.Prefill(tokens, logits);
        return logits;
    }

    public static (double Rms, double Max) Distance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Assert.Equal(b.Length, a.Length);
        double sum = 0, max = 0;
        for (var i = 0; i < a.Length; i++)
        {
            var d = Math.Abs((double)a[i] - b[i]);
            // A NaN must not pass as a small number.
            if (!(d <= double.MaxValue)) return (double.NaN, double.NaN);
            sum += d * d;
            max = Math.Max(max, d);
        }
        return (Math.Sqrt(sum / a.Length), max);
    }
}
