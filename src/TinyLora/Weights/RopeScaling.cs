using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>How the rotation of positions is stretched beyond the context that a model was first trained for.</summary>
internal enum RopeScalingType : byte
{
    None,
    /// <summary>All frequencies divided by the factor (Chen et al. 2023, arXiv:2306.15595).</summary>
    Linear,
    /// <summary>Long wavelengths divided, short ones kept, a ramp between (Llama 3.1).</summary>
    Llama3,
    /// <summary>The same by the number of rotations, and queries and keys made longer (Peng et al. 2023, arXiv:2309.00071).</summary>
    Yarn,
}

/// <summary>The scaling of a model's rotary frequencies, as its file states it.</summary>
internal sealed record RopeScaling
{
    public static readonly RopeScaling None = new();

    public RopeScalingType Type { get; init; }
    public double Factor { get; init; } = 1;
    /// <summary>Tokens of the context before scaling.</summary>
    public int OriginalContextLength { get; init; }
    /// <summary>Llama3: wavelengths above OriginalContextLength / LowFrequencyFactor are scaled in full.</summary>
    public double LowFrequencyFactor { get; init; } = 1;
    /// <summary>Llama3: wavelengths below OriginalContextLength / HighFrequencyFactor are kept.</summary>
    public double HighFrequencyFactor { get; init; } = 4;
    /// <summary>YaRN: pairs that turn more often than this over the original context are kept.</summary>
    public double BetaFast { get; init; } = 32;
    /// <summary>YaRN: pairs that turn less often than this over the original context are scaled in full.</summary>
    public double BetaSlow { get; init; } = 1;
    /// <summary>YaRN: whether the ramp's ends are rounded to whole pairs.</summary>
    public bool Truncate { get; init; } = true;
    /// <summary>Multiplies cos and sin.</summary>
    public double Magnitude { get; init; } = 1;

    /// <summary>YaRN's length of queries and keys: 0.1 m ln s + 1 for a factor s above 1.</summary>
    public static double YarnMagnitude(double factor, double multiplier = 1) => factor <= 1 ? 1 : 0.1 * multiplier * Elementary.Log(factor) + 1;
}
