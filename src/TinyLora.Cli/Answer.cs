using TinyLora.Adapters;
using TinyLora.Conversation;
using TinyLora.Inference;
using TinyLora.Sampling;

namespace TinyLora.Cli;

/// <summary>One answer to one prompt, in a session that is as long as both need.</summary>
internal sealed class Answer : IDisposable
{
    private readonly Session _session;
    private readonly TextGenerator _generator;
    private readonly Sampler _sampler;
    private readonly int[] _prompt;
    private readonly int _limit;

    /// <param name="model">The model with its adapters on.</param>
    /// <param name="prompt">At most as many tokens as the model's context.</param>
    /// <param name="limit">Tokens to generate at most; may be 0.</param>
    /// <param name="options">How they are chosen.</param>
    public Answer(Model model, int[] prompt, int limit, SamplingOptions options)
    {
        _prompt = prompt;
        _limit = limit;
        _session = model.CreateSession(new SessionOptions { ContextLength = (int)Math.Min(model.Shape.ContextLength, (long)prompt.Length + limit) });
        _generator = new TextGenerator(new SessionTokens(_session), new TokenizerText(model.Tokenizer));
        _sampler = new Sampler(model.Shape.VocabularySize, options);
    }

    public StopReason StopReason { get; private set; } = StopReason.MaxTokenLimitReached;

    /// <summary>The adapters that it was made with.</summary>
    public IReadOnlyList<AppliedAdapter> Adapters => _generator.Adapters;

    public ReadOnlySpan<byte> Utf8 => _generator.Text;

    /// <summary>The tokens as they were chosen, with the one that ended the answer.</summary>
    public ReadOnlySpan<int> Tokens => _generator.Generated;

    /// <summary>The seed that gives this answer again; null where chance has no part in it.</summary>
    public ulong? Seed => _sampler.Options.Temperature == 0f ? null : _sampler.Seed;

    public double PromptRate => Rate(_prompt.Length, _generator.PromptDuration);

    public double GenerationRate => Rate(Tokens.Length, _generator.GenerationDuration);

    /// <param name="output">Takes the text as it comes; null: nothing does.</param>
    /// <param name="cancellation">Ends it after the token at work.</param>
    public void Run(Stream? output, CancellationToken cancellation)
    {
        if (_limit == 0) return;
        if (output != null)
        {
            _generator.Utf8Handler = utf8 =>
            {
                output.Write(utf8);
                output.Flush();
            };
        }
        StopReason = _generator.Run(_prompt, _limit, _sampler, new StopSequenceMatcher([], _session.Model.Tokenizer.MaxTokenBytes + 4), cancellation);
    }

    public void Dispose() => _session.Dispose();

    private static double Rate(int count, TimeSpan duration) => duration > TimeSpan.Zero ? count / duration.TotalSeconds : 0.0;
}
