using System.Diagnostics;
using System.Text;
using TinyLora.Adapters;
using TinyLora.Sampling;

namespace TinyLora.Conversation;

/// <summary>
/// The loop that makes text: prefill what the cache does not hold, then choose, pass on, decode until something ends it. A token allocates
/// nothing, as long as nobody asks for strings.
/// </summary>
internal sealed class TextGenerator
{
    // Between two chunks of a long prompt a cancellation is heard; the logits do not depend on the chunks.
    private const int PrefillChunk = 256;

    private readonly ITokenSource _source;
    private readonly ITextTokens _tokenizer;
    private readonly int[] _generated;
    private readonly byte[] _piece;
    private byte[] _text;
    private int _textLength;
    private int _generatedCount;
    private volatile bool _isStopped;

    public TextGenerator(ITokenSource source, ITextTokens tokenizer)
    {
        _source = source;
        _tokenizer = tokenizer;
        _generated = new int[source.ContextLength + 1];
        _piece = new byte[tokenizer.MaxTextBytes];
        // English has about four bytes a token.
        _text = new byte[Math.Max(4 * source.ContextLength, 2 * tokenizer.MaxTextBytes)];
    }

    /// <summary>Takes each piece of text.</summary>
    public Utf8TextHandler? Utf8Handler { get; set; }

    /// <summary>Takes each piece of text as a string, which is allocated for it.</summary>
    public Action<string>? TextHandler { get; set; }

    public ReadOnlySpan<byte> Text => _text.AsSpan(0, _textLength);

    public ReadOnlySpan<int> Generated => _generated.AsSpan(0, _generatedCount);

    /// <summary>Prompt tokens that were not computed, as the cache held them.</summary>
    public int CachedCount { get; private set; }

    /// <summary>The adapters that were on when the first token was chosen.</summary>
    public IReadOnlyList<AppliedAdapter> Adapters { get; private set; } = [];

    public TimeSpan PromptDuration { get; private set; }

    public TimeSpan GenerationDuration { get; private set; }

    /// <summary>Ends a run as a cancellation does, from any thread and for good.</summary>
    public void Stop() => _isStopped = true;

    /// <param name="prompt">The whole prompt.</param>
    /// <param name="maxTokens">Tokens to generate at most.</param>
    /// <param name="sampler">Chooses the tokens.</param>
    /// <param name="stops">The stop sequences.</param>
    /// <param name="cancellation">Ends it after the token at work.</param>
    public StopReason Run(ReadOnlySpan<int> prompt, int maxTokens, Sampler sampler, StopSequenceMatcher stops, CancellationToken cancellation)
    {
        _textLength = _generatedCount = CachedCount = 0;
        PromptDuration = GenerationDuration = TimeSpan.Zero;
        Adapters = [];
        if (prompt.IsEmpty) throw new InvalidOperationException("The prompt has no tokens.");
        stops.Clear();
        _tokenizer.BeginText();
        if (prompt.Length > _source.ContextLength) return StopReason.ContextSizeLimitExceeded;
        var started = Stopwatch.GetTimestamp();
        var isComplete = Prefill(prompt, cancellation, out var logits);
        PromptDuration = Stopwatch.GetElapsedTime(started);
        if (!isComplete) return StopReason.CancellationRequested;
        Adapters = _source.TakeApplied();
        started = Stopwatch.GetTimestamp();
        var reason = Generate(logits, maxTokens, sampler, stops, cancellation);
        GenerationDuration = Stopwatch.GetElapsedTime(started);
        return reason;
    }

    private bool Prefill(ReadOnlySpan<int> prompt, CancellationToken cancellation, out ReadOnlySpan<float> logits)
    {
        // At least the last token is computed: its logits are asked for.
        var cached = Math.Min(_source.Tokens.CommonPrefixLength(prompt), prompt.Length - 1);
        if (cached < _source.Tokens.Length) _source.Rewind(cached);
        CachedCount = cached;
        logits = default;
        for (var at = cached; at < prompt.Length; at += PrefillChunk)
        {
            if (_isStopped || cancellation.IsCancellationRequested) return false;
            logits = _source.Prefill(prompt.Slice(at, Math.Min(PrefillChunk, prompt.Length - at)));
            // After a change of adapters the cache is worth less than it holds.
            CachedCount = Math.Min(CachedCount, _source.ReusedCount);
        }
        return true;
    }

    private StopReason Generate(ReadOnlySpan<float> logits, int maxTokens, Sampler sampler, StopSequenceMatcher stops, CancellationToken cancellation)
    {
        while (true)
        {
            if (_isStopped || cancellation.IsCancellationRequested) return End(StopReason.CancellationRequested, stops);
            var token = sampler.Sample(logits, _source.Tokens);
            _generated[_generatedCount++] = token;
            if (_tokenizer.IsEndOfGeneration(token)) return End(StopReason.EndOfGeneration, stops);
            var stopped = stops.Append(_piece.AsSpan(0, _tokenizer.Append(token, _piece)));
            PassOn(stops.Ready);
            if (stopped) return StopReason.StopSequenceDetected;
            if (_generatedCount >= maxTokens) return End(StopReason.MaxTokenLimitReached, stops);
            if (_source.Tokens.Length >= _source.ContextLength) return End(StopReason.ContextSizeLimitExceeded, stops);
            logits = _source.Decode(token);
        }
    }

    /// <summary>Passes on what the decoder and the stop sequences still hold.</summary>
    private StopReason End(StopReason reason, StopSequenceMatcher stops)
    {
        var stopped = stops.Append(_piece.AsSpan(0, _tokenizer.Flush(_piece)));
        PassOn(stops.Ready);
        if (stopped) return StopReason.StopSequenceDetected;
        stops.Flush();
        PassOn(stops.Ready);
        return reason;
    }

    private void PassOn(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length == 0) return;
        if (_text.Length - _textLength < utf8.Length) Array.Resize(ref _text, Math.Max(2 * _text.Length, _textLength + utf8.Length));
        utf8.CopyTo(_text.AsSpan(_textLength));
        _textLength += utf8.Length;
        Utf8Handler?.Invoke(utf8);
        TextHandler?.Invoke(Encoding.UTF8.GetString(utf8));
    }
}
