using TinyLora.Numerics;

namespace TinyLora.Weights;

/// <summary>Radians a position by which each pair of a head's channels turns: theta^(-2i / HeadSize), scaled.</summary>
internal static class RotaryFrequencies
{
    /// <param name="headSize">Channels of a head, even.</param>
    /// <param name="theta">Base, above 0.</param>
    /// <param name="scaling">How the frequencies are stretched.</param>
    /// <param name="divisors">[headSize / 2] by which they are divided besides, or empty (<c>rope_freqs.weight</c> of a GGUF file).</param>
    /// <returns>[headSize / 2]</returns>
    public static double[] Compute(int headSize, double theta, RopeScaling scaling, ReadOnlySpan<float> divisors)
    {
        var frequencies = new double[headSize / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            var frequency = Elementary.Pow(theta, -2.0 * i / headSize);
            if (!divisors.IsEmpty) frequency /= divisors[i];
            frequencies[i] = scaling.Type switch
            {
                RopeScalingType.Linear => frequency / scaling.Factor,
                RopeScalingType.Llama3 => Llama3(frequency, scaling),
                RopeScalingType.Yarn => Mix(frequency, scaling.Factor, YarnRamp(i, headSize, theta, scaling)),
                _ => frequency,
            };
        }
        return frequencies;
    }

    private static double Llama3(double frequency, RopeScaling scaling)
    {
        var rotations = scaling.OriginalContextLength * frequency / (2 * Math.PI);
        var kept = (rotations - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return Mix(frequency, scaling.Factor, 1 - Math.Clamp(kept, 0, 1));
    }

    /// <summary>How much of pair <paramref name="index"/>'s frequency is scaled, from 0 to 1.</summary>
    private static double YarnRamp(int index, int headSize, double theta, RopeScaling scaling)
    {
        var low = PairThatTurns(scaling.BetaFast, headSize, theta, scaling);
        var high = PairThatTurns(scaling.BetaSlow, headSize, theta, scaling);
        if (scaling.Truncate) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        low = Math.Max(low, 0);
        high = Math.Min(high, headSize - 1);
        // The published ramp keeps from dividing by zero so.
        if (low == high) high += 0.001;
        return Math.Clamp((index - low) / (high - low), 0, 1);
    }

    /// <summary>The pair, as a real number, that turns so many times over the original context.</summary>
    private static double PairThatTurns(double rotations, int headSize, double theta, RopeScaling scaling) =>
        headSize * Elementary.Log(scaling.OriginalContextLength / (rotations * 2 * Math.PI)) / (2 * Elementary.Log(theta));

    private static double Mix(double frequency, double factor, double scaled) => frequency / factor * scaled + frequency * (1 - scaled);
}
