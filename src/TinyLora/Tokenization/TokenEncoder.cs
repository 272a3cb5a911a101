namespace TinyLora.Tokenization;

/// <summary>Turns a stretch of plain text, without special tokens, into tokens.</summary>
internal abstract class TokenEncoder(Vocabulary vocabulary, BytePairMerges merges)
{
    protected Vocabulary Vocabulary { get; } = vocabulary;

    protected BytePairMerges Merges { get; } = merges;

    /// <summary>Writes the tokens of a text.</summary>
    /// <param name="text">UTF-8; invalid bytes are encoded as they are.</param>
    /// <param name="prefix">Whether a space is put before it.</param>
    /// <param name="writer">Takes the tokens.</param>
    public abstract void Encode(ReadOnlySpan<byte> text, bool prefix, ref TokenWriter writer);
}
