using TinyLora.Errors;

namespace TinyLora.Weights;

/// <summary>What a model's file says about it, apart from the tensors.</summary>
internal sealed record ModelConfig(ModelShape Shape, RopeScaling Scaling)
{
    public const double DefaultRopeTheta = 10000; // Su et al. 2021, arXiv:2104.09864

    /// <summary>Refuses sizes and constants that fit no transformer. Every single size was checked to be from 1 to 2³¹ - 1.</summary>
    /// <exception cref="InvalidDataException">They do not fit.</exception>
    public void Check(string path)
    {
        var s = Shape;
        if (s.KeyValueHeadCount > s.HeadCount || s.HeadCount % s.KeyValueHeadCount != 0)
            Throw.BadFile(path, "key-value head count", $"{s.KeyValueHeadCount}", $"a divisor of the head count {s.HeadCount}");
        if (s.HeadSize % 2 != 0) Throw.BadFile(path, "head size", $"{s.HeadSize}", "an even number");
        if ((long)s.HeadCount * s.HeadSize > int.MaxValue) Throw.BadFile(path, "head count", $"{s.HeadCount} heads of {s.HeadSize}", "a product below 2³¹");
        if (!float.IsFinite(s.RmsNormEpsilon) || s.RmsNormEpsilon < 0) Throw.BadFile(path, "RMS norm epsilon", $"{s.RmsNormEpsilon}", "a finite number of 0 or more");
        // 1 would turn all pairs alike, and YaRN divides by its logarithm.
        if (!double.IsFinite(s.RopeTheta) || s.RopeTheta <= 0) Throw.BadFile(path, "rope theta", $"{s.RopeTheta}", "a finite number above 0");
        if (Scaling.Type == RopeScalingType.Yarn && s.RopeTheta <= 1) Throw.BadFile(path, "rope theta", $"{s.RopeTheta}", "a number above 1 with YaRN");
        foreach (var (name, value) in (ReadOnlySpan<(string, double)>)
            [("factor", Scaling.Factor), ("low_freq_factor", Scaling.LowFrequencyFactor), ("high_freq_factor", Scaling.HighFrequencyFactor),
             ("beta_fast", Scaling.BetaFast), ("beta_slow", Scaling.BetaSlow), ("attention factor", Scaling.Magnitude)])
            if (!double.IsFinite(value) || value <= 0 || !float.IsFinite((float)value)) Throw.BadFile(path, $"rope scaling: {name}", $"{value}", "a finite number above 0");
        if (Scaling.Type is RopeScalingType.Llama3 && Scaling.HighFrequencyFactor <= Scaling.LowFrequencyFactor)
            Throw.BadFile(path, "rope scaling: high_freq_factor", $"{Scaling.HighFrequencyFactor}", $"more than low_freq_factor {Scaling.LowFrequencyFactor}");
    }
}
