namespace TinyLora.Sampling;

/// <summary>
/// How the next token is chosen from the logits. The steps run in this order, each on what the one before left:
/// repetition penalty, top-k, top-p, min-p, temperature, draw.
/// </summary>
/// <remarks>A step at its neutral value does nothing. The order is llama.cpp's.</remarks>
public sealed record SamplingOptions
{
    /// <summary>The likeliest token always: temperature 0.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0f };

    /// <summary>Logits are divided by it before the draw: below 1 sharpens, above 1 flattens; 0 takes the likeliest token. At least 0; 0.8 unless set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative or not finite.</exception>
    public float Temperature
    {
        get;
        init => field = float.IsFinite(value) && value >= 0f ? value : throw Range(nameof(Temperature), value, "A temperature is a finite number of at least 0.");
    } = 0.8f;

    /// <summary>Only so many of the likeliest tokens stay; 0: all. 40 unless set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public int TopK
    {
        get;
        init => field = value >= 0 ? value : throw Range(nameof(TopK), value, "Top-k is at least 0.");
    } = 40;

    /// <summary>Only the likeliest tokens stay whose probabilities first sum to at least this; 1: all. 0.95 unless set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not above 0 and at most 1.</exception>
    public float TopP
    {
        get;
        init => field = value is > 0f and <= 1f ? value : throw Range(nameof(TopP), value, "Top-p is above 0 and at most 1.");
    } = 0.95f;

    /// <summary>Only tokens stay that are at least this times as likely as the likeliest; 0: all. 0.05 unless set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Outside 0 to 1.</exception>
    public float MinP
    {
        get;
        init => field = value is >= 0f and <= 1f ? value : throw Range(nameof(MinP), value, "Min-p is 0 to 1.");
    } = 0.05f;

    /// <summary>
    /// The logit of a token of the recent history is divided by it if positive and multiplied if not (Keskar et al., 2019); 1: none, which is the default.
    /// It also acts on the greedy choice.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Not above 0, or not finite.</exception>
    public float RepetitionPenalty
    {
        get;
        init => field = float.IsFinite(value) && value > 0f ? value : throw Range(nameof(RepetitionPenalty), value, "A repetition penalty is a finite number above 0.");
    } = 1f;

    /// <summary>How many of the last tokens the penalty looks at. 64 unless set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public int RepetitionWindow
    {
        get;
        init => field = value >= 0 ? value : throw Range(nameof(RepetitionWindow), value, "A window is at least 0 tokens.");
    } = 64;

    /// <summary>The same seed gives the same choices for the same logits, on every machine; null: another one each time.</summary>
    public ulong? Seed { get; init; }

    private static ArgumentOutOfRangeException Range(string name, object value, string message) => new(name, value, message);
}
