using TinyLora.Adapters;
using TinyLora.Inference;

namespace TinyLora.Conversation;

/// <summary>A session as a source of tokens.</summary>
internal sealed class SessionTokens(Session session) : ITokenSource
{
    public int VocabularySize => session.Model.Shape.VocabularySize;

    public int ContextLength => session.ContextLength;

    public ReadOnlySpan<int> Tokens => session.Tokens;

    public ReadOnlySpan<float> Prefill(ReadOnlySpan<int> tokens) => session.Prefill(tokens);

    public ReadOnlySpan<float> Decode(int token) => session.Decode(token);

    public int ReusedCount => session.ReusedCount;

    public AppliedAdapter[] TakeApplied() => session.TakeApplied();

    public void Rewind(int position) => session.Rewind(position);
}
