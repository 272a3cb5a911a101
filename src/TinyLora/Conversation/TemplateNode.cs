namespace TinyLora.Conversation;

/// <summary>A statement of a template.</summary>
internal abstract record TemplateNode
{
    /// <summary>Text as it stands.</summary>
    public sealed record Text(TemplateText Value) : TemplateNode;

    /// <summary>Writes a value.</summary>
    public sealed record Output(TemplateExpression Value) : TemplateNode;

    /// <summary>The first of the bodies whose condition holds; null holds always.</summary>
    public sealed record If((TemplateExpression? Condition, TemplateNode[] Body)[] Branches) : TemplateNode;

    /// <summary>The body for each item that passes the filter.</summary>
    public sealed record For(string Item, TemplateExpression Items, TemplateExpression? Filter, TemplateNode[] Body, TemplateNode[] Otherwise) : TemplateNode;

    /// <summary>Gives a variable, or a namespace's attribute, a value.</summary>
    public sealed record Set(string Name, string? Attribute, TemplateExpression Value) : TemplateNode;

    /// <summary>What is not understood, which matters only if it is reached.</summary>
    public sealed record Unknown(string Description) : TemplateNode;
}

/// <summary>An expression of a template.</summary>
internal abstract record TemplateExpression
{
    public sealed record Constant(object? Value) : TemplateExpression;

    public sealed record Items(TemplateExpression[] Values) : TemplateExpression;

    public sealed record Variable(string Name) : TemplateExpression;

    public sealed record Attribute(TemplateExpression Of, TemplateExpression Key) : TemplateExpression;

    public sealed record Slice(TemplateExpression Of, TemplateExpression? Start, TemplateExpression? End, TemplateExpression? Step) : TemplateExpression;

    public sealed record Call(TemplateExpression Of, TemplateExpression[] Arguments, (string Name, TemplateExpression Value)[] Named) : TemplateExpression;

    public sealed record Filter(TemplateExpression Of, string Name, TemplateExpression[] Arguments) : TemplateExpression;

    public sealed record Test(TemplateExpression Of, string Name, bool Negated) : TemplateExpression;

    public sealed record Not(TemplateExpression Of) : TemplateExpression;

    public sealed record Binary(string Operator, TemplateExpression Left, TemplateExpression Right) : TemplateExpression;

    public sealed record Choice(TemplateExpression Condition, TemplateExpression Then, TemplateExpression? Otherwise) : TemplateExpression;

    public sealed record Unknown(string Description) : TemplateExpression;
}
