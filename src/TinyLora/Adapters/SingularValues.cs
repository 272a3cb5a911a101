namespace TinyLora.Adapters;

/// <summary>
/// The singular value decomposition M = Σ_j Values[j] · Left[j] Right[j]ᵀ, values descending, by one-sided Jacobi rotations (Hestenes, 1958; Golub and Van Loan, Matrix Computations, 8.6.3).
/// A dense matrix of m × n costs about 10 m n² multiplications, n the smaller side; a product of thin factors only those of their rank.
/// </summary>
internal sealed class SingularValues
{
    // Converges quadratically: about ten sweeps reach double precision.
    private const int MaxSweeps = 60;
    private const double Tolerance = 1e-15;

    private SingularValues(double[] values, double[] left, double[] right)
    {
        Values = values;
        Left = left;
        Right = right;
    }

    public int Count => Values.Length;

    /// <summary>[Count], descending.</summary>
    public double[] Values { get; }

    /// <summary>[Count, rows]</summary>
    public double[] Left { get; }

    /// <summary>[Count, columns]</summary>
    public double[] Right { get; }

    /// <summary>Of M [rows, columns].</summary>
    public static SingularValues Of(double[] matrix, int rows, int columns)
    {
        // Vectors of the shorter side are rotated: each lies in one piece.
        var isWide = rows < columns;
        var (count, size) = isWide ? (rows, columns) : (columns, rows);
        var vectors = new double[matrix.Length];
        for (var i = 0; i < count; i++)
            for (var k = 0; k < size; k++) vectors[i * size + k] = isWide ? matrix[i * columns + k] : matrix[k * columns + i];
        var rotations = new double[count * count];
        for (var i = 0; i < count; i++) rotations[i * count + i] = 1;
        Rotate(vectors, rotations, count, size);
        return Sorted(vectors, rotations, count, size, isWide);
    }

    /// <summary>Of B A, B [rows, rank] and A [rank, columns].</summary>
    public static SingularValues OfProduct(double[] b, double[] a, int rows, int columns, int rank)
    {
        // B = Q R and Aᵀ = P S: B A = Q (R Sᵀ) Pᵀ.
        var left = new double[rank * rows];
        for (var row = 0; row < rows; row++)
            for (var j = 0; j < rank; j++) left[j * rows + row] = b[row * rank + j];
        var right = (double[])a.Clone();
        var r = Orthonormalize(left, rank, rows);
        var s = Orthonormalize(right, rank, columns);
        var core = new double[rank * rank];
        for (var i = 0; i < rank; i++)
            for (var j = 0; j < rank; j++)
                for (var k = 0; k < rank; k++) core[i * rank + j] += r[i * rank + k] * s[j * rank + k];
        var small = Of(core, rank, rank);
        return new SingularValues(small.Values, Expand(small.Left, left, rank, rows), Expand(small.Right, right, rank, columns));
    }

    /// <summary>Makes the vectors [count, size] orthonormal or zero, in place; returns R [count, count] with old vector j = Σ_i R[i, j] new vector i.</summary>
    private static double[] Orthonormalize(double[] vectors, int count, int size)
    {
        var r = new double[count * count];
        for (var j = 0; j < count; j++)
        {
            var v = vectors.AsSpan(j * size, size);
            var before = Math.Sqrt(Dot(v, v));
            // Twice is enough for double precision (Parlett).
            for (var pass = 0; pass < 2; pass++)
                for (var i = 0; i < j; i++)
                {
                    var q = vectors.AsSpan(i * size, size);
                    var dot = Dot(q, v);
                    r[i * count + j] += dot;
                    for (var k = 0; k < size; k++) v[k] -= dot * q[k];
                }
            var norm = Math.Sqrt(Dot(v, v));
            if (norm <= 1e-13 * before || norm == 0)
            {
                v.Clear();
                continue;
            }
            r[j * count + j] = norm;
            for (var k = 0; k < size; k++) v[k] /= norm;
        }
        return r;
    }

    private static double[] Expand(double[] small, double[] basis, int rank, int size)
    {
        var vectors = new double[rank * size];
        for (var j = 0; j < rank; j++)
            for (var i = 0; i < rank; i++)
                for (var k = 0; k < size; k++) vectors[j * size + k] += small[j * rank + i] * basis[i * size + k];
        return vectors;
    }

    private static void Rotate(double[] vectors, double[] rotations, int count, int size)
    {
        for (var sweep = 0; sweep < MaxSweeps; sweep++)
        {
            var rotated = false;
            for (var i = 0; i < count - 1; i++)
                for (var j = i + 1; j < count; j++)
                {
                    var x = vectors.AsSpan(i * size, size);
                    var y = vectors.AsSpan(j * size, size);
                    var (xx, yy, xy) = (Dot(x, x), Dot(y, y), Dot(x, y));
                    if (Math.Abs(xy) <= Tolerance * Math.Sqrt(xx * yy)) continue;
                    rotated = true;
                    var zeta = (yy - xx) / (2 * xy);
                    var t = (zeta >= 0 ? 1 : -1) / (Math.Abs(zeta) + Math.Sqrt(1 + zeta * zeta));
                    var cos = 1 / Math.Sqrt(1 + t * t);
                    Turn(x, y, cos, cos * t);
                    Turn(rotations.AsSpan(i * count, count), rotations.AsSpan(j * count, count), cos, cos * t);
                }
            if (!rotated) return;
        }
    }

    private static void Turn(Span<double> x, Span<double> y, double cos, double sin)
    {
        for (var k = 0; k < x.Length; k++) (x[k], y[k]) = (cos * x[k] - sin * y[k], sin * x[k] + cos * y[k]);
    }

    private static SingularValues Sorted(double[] vectors, double[] rotations, int count, int size, bool isWide)
    {
        var values = new double[count];
        var order = new int[count];
        for (var i = 0; i < count; i++)
        {
            var v = vectors.AsSpan(i * size, size);
            (values[i], order[i]) = (-Math.Sqrt(Dot(v, v)), i);
        }
        Array.Sort(values, order);
        var (longer, shorter) = (new double[count * size], new double[count * count]);
        for (var i = 0; i < count; i++)
        {
            values[i] = -values[i];
            Array.Copy(rotations, order[i] * count, shorter, i * count, count);
            if (values[i] == 0) continue;
            for (var k = 0; k < size; k++) longer[i * size + k] = vectors[order[i] * size + k] / values[i];
        }
        return isWide ? new SingularValues(values, shorter, longer) : new SingularValues(values, longer, shorter);
    }

    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        var sum = 0.0;
        for (var k = 0; k < x.Length; k++) sum += x[k] * y[k];
        return sum;
    }
}
