namespace TinyLora.Benchmarks;

/// <summary>A benchmark whose one operation is a product with a matrix of weights; the rate columns ask it how large.</summary>
public interface IProduct
{
    /// <summary>Bytes of weights that one operation reads.</summary>
    long WeightBytes { get; }

    /// <summary>Multiplications with a following addition that one operation does.</summary>
    long MultiplyAddCount { get; }
}
