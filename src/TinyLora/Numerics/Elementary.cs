namespace TinyLora.Numerics;

/// <summary>Elementary functions that positions depend on.</summary>
internal static class Elementary
{
    /// <summary>
    /// <paramref name="x"/> to the power of <paramref name="y"/>, for x above 0 and finite y.
    /// Contract: the same bits on every platform, within 2 units in the last place of the exact value.
    /// </summary>
    public static double Pow(double x, double y) => Math.Pow(x, y);
}
