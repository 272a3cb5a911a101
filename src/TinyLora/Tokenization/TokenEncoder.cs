namespace TinyLora.Tokenization;

/// <summary>Turns a stretch of plain text, without special tokens, into tokens.</summary>
internal abstract class TokenEncoder(Vocabulary vocabulary, BytePairMerges merges)
{
    protected Vocabulary Vocabulary { get; } = vocabulary;

    protected BytePairMerges Merges { get; } = merges;

    /// <param name="prefix">Whether a space is put before the text.</param>
    public abstract void Encode(ReadOnlySpan<byte> text, bool prefix, ref TokenWriter writer);
}
