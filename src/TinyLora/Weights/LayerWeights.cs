using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>A matrix W [Rows, Columns] as it lies in the mapped file, row after row, and its bias.</summary>
internal unsafe struct Linear
{
    public byte* Weights;
    /// <summary>[Rows] in float32, or null.</summary>
    public float* Bias;
    public int Rows;
    public int Columns;
    public ElementType Type;
    /// <summary>Which of the model's kernels multiplies with it; set when the model opens.</summary>
    public int Kernel;
}

/// <summary>The weights of one transformer block.</summary>
internal sealed unsafe class LayerWeights
{
    /// <summary>[HiddenSize]</summary>
    public float* AttentionNorm;
    /// <summary>[HiddenSize]</summary>
    public float* MlpNorm;
    /// <summary>[HeadSize], or null.</summary>
    public float* QueryNorm;
    /// <summary>[HeadSize], or null.</summary>
    public float* KeyNorm;
    public Linear Query, Key, Value, Output, Gate, Up, Down;
}
