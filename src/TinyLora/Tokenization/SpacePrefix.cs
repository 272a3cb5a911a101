namespace TinyLora.Tokenization;

/// <summary>Where a space is put before text.</summary>
internal enum SpacePrefix
{
    None,

    /// <summary>Before the whole text, if it has none there.</summary>
    First,

    /// <summary>Before the text and before what follows a special token, if it has none there.</summary>
    EachBare,

    /// <summary>Before the text and before what follows a special token.</summary>
    Each,
}
