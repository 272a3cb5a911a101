namespace TinyLora.Tokenization;

/// <summary>What kind of token it is, and how text around it is treated where it is recognised.</summary>
[Flags]
internal enum TokenAttributes : ushort
{
    None = 0,
    Normal = 1,

    /// <summary>Stands for text that the vocabulary cannot write.</summary>
    Unknown = 2,

    /// <summary>Steers the model and is no text; recognised in a text only where the caller allows it.</summary>
    Control = 4,

    /// <summary>Literal text that is always recognised as a whole.</summary>
    UserDefined = 8,

    /// <summary>One byte.</summary>
    Byte = 16,
    Unused = 32,

    /// <summary>Takes the white space before it.</summary>
    LeftStrip = 64,

    /// <summary>Takes the white space behind it.</summary>
    RightStrip = 128,

    /// <summary>Recognised in the text after normalisation, where it has the space prefix of a text before it.</summary>
    AfterPrefix = 256,

    /// <summary>The kinds that are found as literal text before anything else.</summary>
    Added = Unknown | Control | UserDefined,
}
