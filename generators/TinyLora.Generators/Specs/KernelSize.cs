using System.Globalization;

namespace TinyLora.Generators.Specs;

/// <summary>The width of a kernel's matrix: a constant of the declared model, or a parameter.</summary>
/// <param name="Columns">Columns, or 0 for a parameter.</param>
internal readonly record struct KernelSize(int Columns)
{
    public static readonly KernelSize Parameter = default;

    public bool IsConstant => Columns > 0;

    /// <summary>The number, or an expression that computes it from <c>columns</c>.</summary>
    public string Of(Func<int, int> constant, string parameter) =>
        IsConstant ? constant(Columns).ToString(CultureInfo.InvariantCulture) : parameter;

    public string Text => Of(c => c, "columns");
}
