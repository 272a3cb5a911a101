namespace TinyLora.Conversation;

internal enum TemplateTokenKind : byte
{
    Name,
    Number,
    String,
    Operator,
    End,
}

/// <summary>A token within a tag; the text of a string is what it stands for, without quotes.</summary>
internal readonly record struct TemplateToken(TemplateTokenKind Kind, string Text)
{
    public bool Is(string text) => Kind is TemplateTokenKind.Name or TemplateTokenKind.Operator && Text == text;
}

internal enum TemplateTagKind : byte
{
    Text,
    Output,
    Statement,
}

/// <summary>A stretch of a template: plain text, or the tokens of a tag.</summary>
internal readonly record struct TemplateTag(TemplateTagKind Kind, string Text, TemplateToken[] Tokens);
