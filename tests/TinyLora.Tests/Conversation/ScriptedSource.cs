using TinyLora.Adapters;
using TinyLora.Conversation;

namespace TinyLora.Tests.Conversation;

/// <summary>A model that says what it is told to: after the prompt the script's next line, token by token.</summary>
internal sealed class ScriptedSource(int contextLength, params int[][] lines) : ITokenSource
{
    private readonly int[] _tokens = new int[contextLength];
    private readonly float[] _logits = new float[ByteTokens.Count];
    private int _count;
    private int _line = -1;
    private int _said;

    public int VocabularySize => ByteTokens.Count;

    public int ContextLength => contextLength;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, _count);

    /// <summary>Lengths of the calls to Prefill.</summary>
    public List<int> Prefills { get; } = [];

    /// <summary>Runs before each call to Prefill and Decode.</summary>
    public Action? Step { get; set; }

    /// <summary>Whether each call to Prefill goes on to the next line; off where long prompts come in chunks.</summary>
    public int PrefillsPerLine { get; set; } = 1;

    public ReadOnlySpan<float> Prefill(ReadOnlySpan<int> tokens)
    {
        Step?.Invoke();
        if (tokens.Length == 0 || _count + tokens.Length > contextLength) throw new ArgumentException("No tokens, or more than fit.");
        Prefills.Add(tokens.Length);
        ReusedCount = _count;
        tokens.CopyTo(_tokens.AsSpan(_count));
        _count += tokens.Length;
        if (Prefills.Count % PrefillsPerLine == 0) _line++;
        _said = 0;
        return Next();
    }

    public ReadOnlySpan<float> Decode(int token)
    {
        Step?.Invoke();
        if (_count == contextLength) throw new ArgumentException("More than fit.");
        _tokens[_count++] = token;
        _said++;
        return Next();
    }

    public int ReusedCount { get; private set; }

    public AppliedAdapter[] TakeApplied() => [];

    public void Rewind(int position) => _count = position <= _count ? position : throw new ArgumentOutOfRangeException(nameof(position));

    private float[] Next()
    {
        Array.Clear(_logits);
        var line = lines[Math.Clamp(_line, 0, lines.Length - 1)];
        _logits[_said < line.Length ? line[_said] : ByteTokens.End] = 50f;
        return _logits;
    }
}
