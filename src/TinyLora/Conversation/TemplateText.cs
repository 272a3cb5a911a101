namespace TinyLora.Conversation;

/// <summary>A stretch of text, and whether it came from a message instead of the template.</summary>
internal readonly record struct TemplatePiece(string Text, bool IsContent);

/// <summary>
/// A string that remembers which parts of it came from messages: special tokens count only in the template's own parts.
/// </summary>
internal sealed class TemplateText
{
    private readonly TemplatePiece[] _pieces;

    private TemplateText(TemplatePiece[] pieces)
    {
        _pieces = pieces;
        Value = pieces.Length == 1 ? pieces[0].Text : string.Concat(Array.ConvertAll(pieces, piece => piece.Text));
    }

    public static TemplateText Empty { get; } = new([]);

    public string Value { get; }

    public ReadOnlySpan<TemplatePiece> Pieces => _pieces;

    public static TemplateText Literal(string text) => text.Length == 0 ? Empty : new([new(text, IsContent: false)]);

    public static TemplateText Content(string text) => text.Length == 0 ? Empty : new([new(text, IsContent: true)]);

    public TemplateText Append(TemplateText next) =>
        next._pieces.Length == 0 ? this
        : _pieces.Length == 0 ? next
        : _pieces.Length == 1 && next._pieces.Length == 1 && _pieces[0].IsContent == next._pieces[0].IsContent
            ? new([_pieces[0] with { Text = Value + next.Value }])
        : new([.. _pieces, .. next._pieces]);

    /// <summary>The characters from <paramref name="start"/> up to <paramref name="end"/>.</summary>
    public TemplateText Slice(int start, int end)
    {
        var kept = new List<TemplatePiece>();
        var at = 0;
        foreach (var piece in _pieces)
        {
            var from = Math.Max(start - at, 0);
            var to = Math.Min(end - at, piece.Text.Length);
            if (from < to) kept.Add(piece with { Text = piece.Text[from..to] });
            at += piece.Text.Length;
        }
        return new([.. kept]);
    }

    /// <summary>Without the given characters, or without white space as Python has it, at its ends.</summary>
    public TemplateText Strip(string? characters, bool start, bool end)
    {
        int first = 0, last = Value.Length;
        while (start && first < last && Strips(Value[first], characters)) first++;
        while (end && last > first && Strips(Value[last - 1], characters)) last--;
        return first == 0 && last == Value.Length ? this : Slice(first, last);
    }

    /// <summary>Another text made of this one's characters; what came of a message stays a message's.</summary>
    public TemplateText With(string value) => Array.Exists(_pieces, piece => piece.IsContent) ? Content(value) : Literal(value);

    /// <summary>Python's <c>str.isspace</c>, which also takes the four separators of ASCII.</summary>
    public static bool IsSpace(char character) => char.IsWhiteSpace(character) || character is >= '\x1c' and <= '\x1f';

    private static bool Strips(char character, string? characters) => characters?.Contains(character) ?? IsSpace(character);
}
