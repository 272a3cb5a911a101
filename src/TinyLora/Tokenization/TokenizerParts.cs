namespace TinyLora.Tokenization;

/// <summary>What a reader of files makes of them, for <see cref="Tokenizer"/>.</summary>
internal sealed class TokenizerParts
{
    public required Vocabulary Vocabulary { get; init; }

    public required TokenEncoder Encoder { get; init; }

    /// <summary>Kind in words, such as "byte-level BPE (qwen2)".</summary>
    public required string Kind { get; init; }

    public SpacePrefix Prefix { get; init; }

    /// <summary>Whether text is brought to Unicode's composed form (NFC) before it is encoded.</summary>
    public bool Composes { get; init; }

    public int BeginOfText { get; set; } = -1;

    public bool AddsBeginOfText { get; set; }

    /// <summary>Tokens that end an answer, as far as the files name them.</summary>
    public List<int> EndOfGeneration { get; } = [];
}
