using System.CommandLine;
using TinyLora.Sampling;

namespace TinyLora.Cli;

/// <summary>The options that say how tokens are chosen.</summary>
internal sealed class SamplingOptionsGroup
{
    private static readonly SamplingOptions Default = new();

    private readonly Option<bool> _greedy = SharedOptions.Flag("--greedy", "Take the likeliest token always.");
    private readonly Option<float> _temperature = Real("--temperature", "Below 1 sharpens the choice, above 1 flattens it; 0 is greedy.", Default.Temperature, value => value >= 0f, "of at least 0");
    private readonly Option<int> _topK = new("--top-k") { Description = $"Choose among so many of the likeliest tokens; 0: all ({Default.TopK}).", HelpName = "K", CustomParser = Numbers.Whole(0) };
    private readonly Option<float> _topP = Real("--top-p", "Choose among the likeliest tokens that together are so likely.", Default.TopP, value => value is > 0f and <= 1f, "above 0 and at most 1");
    private readonly Option<float> _minP = Real("--min-p", "Choose among tokens at least so likely, compared with the likeliest.", Default.MinP, value => value is >= 0f and <= 1f, "from 0 to 1");
    private readonly Option<float> _penalty = Real("--repetition-penalty", "Makes recent tokens less likely; 1: not.", Default.RepetitionPenalty, value => value > 0f, "above 0");
    private readonly Option<ulong> _seed = new("--seed") { Description = "The same seed gives the same text, on every machine; a random one unless given.", HelpName = "S", CustomParser = Numbers.Seed };

    public void AddTo(Command command)
    {
        // A repetition penalty also acts on the greedy choice.
        Option[] random = [_temperature, _topK, _topP, _minP, _seed];
        command.Add(_greedy);
        foreach (var option in random) command.Add(option);
        command.Add(_penalty);
        command.Validators.Add(result =>
        {
            if (!result.Has(_greedy)) return;
            foreach (var option in random)
                if (result.Has(option)) result.AddError($"--greedy leaves nothing to choose: it does not go with {option.Name}.");
        });
    }

    public SamplingOptions Read(ParseResult parsed) => new()
    {
        Temperature = parsed.Has(_greedy) ? 0f : Value(parsed, _temperature, Default.Temperature),
        TopK = Value(parsed, _topK, Default.TopK),
        TopP = Value(parsed, _topP, Default.TopP),
        MinP = Value(parsed, _minP, Default.MinP),
        RepetitionPenalty = Value(parsed, _penalty, Default.RepetitionPenalty),
        Seed = parsed.Has(_seed) ? parsed.GetValue(_seed) : null,
    };

    private static T Value<T>(ParseResult parsed, Option<T> option, T otherwise) => parsed.Has(option) ? parsed.GetValue(option)! : otherwise;

    private static Option<float> Real(string name, string description, float otherwise, Func<float, bool> isInRange, string range) => new(name)
    {
        Description = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{description} ({otherwise})"),
        HelpName = "X",
        CustomParser = Numbers.Real(isInRange, range),
    };
}
