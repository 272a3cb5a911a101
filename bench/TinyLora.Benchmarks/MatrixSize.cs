using System.Globalization;

namespace TinyLora.Benchmarks;

/// <summary>Rows and columns of a matrix of weights.</summary>
public readonly record struct MatrixSize(int Rows, int Columns)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Rows}x{Columns}");
}
