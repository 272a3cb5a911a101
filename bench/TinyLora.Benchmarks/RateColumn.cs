using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace TinyLora.Benchmarks;

/// <summary>An amount of an <see cref="IProduct"/>'s operation divided by the operation's mean time, in 1e9 a second.</summary>
public sealed class RateColumn(string name, string legend, Func<IProduct, BenchmarkCase, long> amount) : IColumn
{
    /// <summary>Category of the benchmarks that read weights and multiply nothing.</summary>
    public const string ReadCategory = "read";

    /// <summary>GB (1e9 bytes) of weights a second.</summary>
    public static RateColumn WeightBytes { get; } = new("GB/s", "1e9 bytes of weights read a second", (product, _) => product.WeightBytes);

    /// <summary>1e9 multiply-adds a second.</summary>
    public static RateColumn MultiplyAdds { get; } = new("GMAC/s", "1e9 multiply-adds a second",
        (product, benchmarkCase) => benchmarkCase.Descriptor.HasCategory(ReadCategory) ? 0 : product.MultiplyAddCount);

    public string Id => nameof(RateColumn) + name;
    public string ColumnName => name;
    public string Legend => legend;
    public bool AlwaysShow => true;
    public ColumnCategory Category => ColumnCategory.Custom;
    public int PriorityInCategory => 0;
    public bool IsNumeric => true;
    public UnitType UnitType => UnitType.Dimensionless;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        var type = benchmarkCase.Descriptor.Type;
        if (summary[benchmarkCase]?.ResultStatistics is not { } statistics || Activator.CreateInstance(type) is not IProduct product)
            return "-";
        foreach (var parameter in benchmarkCase.Parameters.Items)
            type.GetProperty(parameter.Name)!.SetValue(product, parameter.Value);
        // Bytes a nanosecond are 1e9 bytes a second.
        return (amount(product, benchmarkCase) / statistics.Mean) is > 0 and var rate ? rate.ToString("0.0", CultureInfo.InvariantCulture) : "-";
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public bool IsAvailable(Summary summary) => true;
}
