using System.Text;
using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Sampling;

namespace TinyLora.Conversation;

/// <summary>
/// A conversation with a model: it keeps the history, renders it by the model's own chat template, and computes only what is new since the last
/// turn. Not for use by two threads at once; several conversations may share a model.
/// </summary>
public sealed class MultiTurnConversation : IDisposable
{
    private readonly Session? _session;
    private readonly ITextTokens _tokenizer;
    private readonly TextGenerator _generator;
    private readonly int _vocabularySize;
    private readonly PromptText _prompt = new();
    private readonly List<ChatMessage> _history = [];
    private readonly List<string> _stopSequences = [];
    private Sampler? _sampler;
    private int[] _promptTokens = [];
    private int _isBusy;
    private volatile bool _isDisposed;

    /// <summary>Begins a conversation.</summary>
    /// <param name="model">The model, which has to live longer than the conversation.</param>
    /// <param name="contextLength">Tokens that the conversation can hold; 0: the model's context length, at most 4096.</param>
    /// <param name="template">The chat template; null: the model's own.</param>
    /// <exception cref="InvalidDataException">The model has no chat template or tokenizer, or one that is not supported.</exception>
    public MultiTurnConversation(Model model, int contextLength = 0, ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegative(contextLength);
        Template = template ?? ChatTemplateSource.Read(model).Parse();
        _tokenizer = new TokenizerText(model.Tokenizer);
        _session = model.CreateSession(new SessionOptions { ContextLength = contextLength });
        var source = new SessionTokens(_session);
        ContextLength = source.ContextLength;
        _vocabularySize = source.VocabularySize;
        _generator = new TextGenerator(source, _tokenizer);
    }

    internal MultiTurnConversation(ITokenSource source, ITextTokens tokenizer, ChatTemplate template)
    {
        Template = template;
        _tokenizer = tokenizer;
        ContextLength = source.ContextLength;
        _vocabularySize = source.VocabularySize;
        _generator = new TextGenerator(source, tokenizer);
    }

    /// <summary>Raised with each piece of an answer, as a string made for it, on the thread that generates.</summary>
    public event Action<string>? TextGenerated
    {
        add => _generator.TextHandler += value;
        remove => _generator.TextHandler -= value;
    }

    /// <summary>Raised with each piece of an answer, whole characters in UTF-8, on the thread that generates; allocates nothing.</summary>
    public event Utf8TextHandler? Utf8Generated
    {
        add => _generator.Utf8Handler += value;
        remove => _generator.Utf8Handler -= value;
    }

    /// <summary>Renders the history to the prompt.</summary>
    public ChatTemplate Template { get; }

    /// <summary>Tokens that the conversation can hold.</summary>
    public int ContextLength { get; }

    /// <summary>Instructions to the model, before all messages; null: none, or the template's own.</summary>
    public string? SystemPrompt { get; set; }

    /// <summary>The messages so far, oldest first, without the system prompt.</summary>
    public IReadOnlyList<ChatMessage> History => _history;

    /// <summary>Tokens of an answer at most; 512 unless set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not positive.</exception>
    public int MaximumCompletionTokens
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            field = value;
        }
    } = 512;

    /// <summary>Texts that end an answer where they occur in it; neither they nor a part of them is ever passed on.</summary>
    public IList<string> StopSequences => _stopSequences;

    /// <summary>How tokens are chosen. Setting it begins the random sequence anew.</summary>
    /// <exception cref="ArgumentNullException">Null.</exception>
    public SamplingOptions SamplingOptions
    {
        get;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
            _sampler = null;
        }
    } = new();

    /// <summary>This conversation's own adapters; until it is first changed, the model's.</summary>
    public AdapterSet Adapters => _session?.Adapters ?? throw new InvalidOperationException("The conversation has no session.");

    /// <summary>Says something and waits for the answer. Both are then in the history.</summary>
    /// <remarks>
    /// The history stays as it was where nothing was generated: the prompt alone does not fit the context, or the call was cancelled before the
    /// first token, or an exception left it.
    /// </remarks>
    /// <exception cref="ArgumentException">The template refuses the messages.</exception>
    /// <exception cref="InvalidOperationException">The conversation is generating already, or the model's output cannot be used.</exception>
    public TextGenerationResult Submit(string message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        return Answer(new ChatMessage(ChatMessage.User, message), cancellationToken);
    }

    /// <summary>The same on another thread. A cancellation ends it with a result, not with an exception.</summary>
    public Task<TextGenerationResult> SubmitAsync(string message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(message);
        return Task.Run(() => Submit(message, cancellationToken), CancellationToken.None);
    }

    /// <summary>Takes the last answer back and answers the last message again: otherwise, unless the choice is greedy.</summary>
    /// <exception cref="InvalidOperationException">There is no message to answer.</exception>
    public TextGenerationResult Regenerate(CancellationToken cancellationToken = default) => Answer(null, cancellationToken);

    /// <summary>The same on another thread.</summary>
    public Task<TextGenerationResult> RegenerateAsync(CancellationToken cancellationToken = default) =>
        Task.Run(() => Regenerate(cancellationToken), CancellationToken.None);

    /// <summary>Forgets all messages and begins the random sequence anew. The settings stay, and so does what the cache can still use.</summary>
    public void ClearHistory() => SetHistory([]);

    /// <summary>Replaces the messages, as to go on with a conversation that was saved, and begins the random sequence anew.</summary>
    public void SetHistory(ReadOnlySpan<ChatMessage> messages)
    {
        Enter();
        _history.Clear();
        foreach (var message in messages) _history.Add(message);
        _sampler = null;
        Leave();
    }

    /// <summary>Frees the conversation's memory; the model stays. An answer in the making ends as if cancelled, and the memory with it.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _generator.Stop();
        FreeUnlessBusy();
    }

    private TextGenerationResult Answer(ChatMessage? message, CancellationToken cancellation)
    {
        Enter();
        try
        {
            var keep = _history.Count;
            if (message is null)
            {
                if (keep > 0 && _history[^1].Role == ChatMessage.Assistant) keep--;
                if (keep == 0 || _history[keep - 1].Role != ChatMessage.User) throw new InvalidOperationException("There is no message to answer.");
            }
            var prompt = Encode(keep, message);
            _sampler ??= new Sampler(_vocabularySize, SamplingOptions);
            var reason = _generator.Run(prompt, MaximumCompletionTokens, _sampler, Stops(), cancellation);
            var text = Encoding.UTF8.GetString(_generator.Text);
            if (_generator.Generated.Length > 0)
            {
                _history.RemoveRange(keep, _history.Count - keep);
                if (message is not null) _history.Add(message);
                _history.Add(new ChatMessage(ChatMessage.Assistant, text));
            }
            return new TextGenerationResult
            {
                Text = text,
                StopReason = reason,
                PromptTokens = prompt.ToArray(),
                CachedTokenCount = _generator.CachedCount,
                GeneratedTokens = _generator.Generated.ToArray(),
                Adapters = _generator.Adapters,
                PromptDuration = _generator.PromptDuration,
                GenerationDuration = _generator.GenerationDuration,
            };
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>The prompt's tokens: the system prompt, the first <paramref name="keep"/> messages, and the new one.</summary>
    private ReadOnlySpan<int> Encode(int keep, ChatMessage? message)
    {
        var messages = new List<ChatMessage>(keep + 2);
        if (SystemPrompt is not null) messages.Add(new ChatMessage(ChatMessage.System, SystemPrompt));
        messages.AddRange(_history[..keep]);
        if (message is not null) messages.Add(message);
        Template.Render([.. messages], addGenerationPrompt: true, _prompt);
        var size = _tokenizer.MaxTokenCount(_prompt.Utf8.Length);
        if (_promptTokens.Length < size) _promptTokens = new int[Math.Max(size, 2 * _promptTokens.Length)];
        return _promptTokens.AsSpan(0, _tokenizer.Encode(_prompt, _promptTokens));
    }

    private StopSequenceMatcher Stops()
    {
        foreach (var sequence in _stopSequences)
        {
            if (string.IsNullOrEmpty(sequence)) throw new InvalidOperationException("A stop sequence is empty.");
        }
        return new StopSequenceMatcher(_stopSequences, _tokenizer.MaxTextBytes);
    }

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (Interlocked.Exchange(ref _isBusy, 1) != 0) throw new InvalidOperationException("The conversation is generating already.");
    }

    private void Leave()
    {
        Interlocked.Exchange(ref _isBusy, 0);
        if (_isDisposed) FreeUnlessBusy();
    }

    // Stays busy for good; whoever comes second finds nothing to do.
    private void FreeUnlessBusy()
    {
        if (Interlocked.Exchange(ref _isBusy, 1) == 0) _session?.Dispose();
    }
}
