namespace TinyLora.Generators.Specs;

/// <summary>What a matrix is in the model, in the order in which a token meets them.</summary>
internal enum LinearRole : byte
{
    Query,
    Key,
    Value,
    Output,
    Gate,
    Up,
    Down,
    Head,
}

/// <summary>One kind of matrix [Rows, Columns] of the model: everything a kernel is specialised for, and who uses it.</summary>
internal sealed record LinearSpec(int Rows, int Columns, WeightFormat Format, EquatableArray<LinearRole> Roles)
{
    /// <summary>As kernels are named: 576x1536Q4_1.</summary>
    public string Name => FormattableString.Invariant($"{Rows}x{Columns}{Format}");
}
