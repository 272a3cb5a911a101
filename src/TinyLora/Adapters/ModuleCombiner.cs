using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>Combines one module of several adapters. Everything is computed in double precision and rounded once.</summary>
internal sealed unsafe class ModuleCombiner(CombinationMethod method, CombinationOptions options, int rank)
{
    private ulong _random = options.Seed;

    /// <exception cref="ArgumentException">The ranks differ where they must not, or the rank is larger than the matrix.</exception>
    public FactorPair Combine(List<(LoraPair Pair, double Weight)> modules)
    {
        if (method == CombinationMethod.Cat) return Concatenate(modules);
        if (method is not (CombinationMethod.Svd or CombinationMethod.TiesSvd or CombinationMethod.DareLinearSvd or CombinationMethod.DareTiesSvd or CombinationMethod.MagnitudePruneSvd)) return CombineFactors(modules);
        var (rows, columns) = (modules[0].Pair.B.Rows, modules[0].Pair.A.Columns);
        if (rank > Math.Min(rows, columns)) throw new ArgumentException($"A rank of {rank} for a matrix of {rows} × {columns}.", nameof(modules));
        if (method == CombinationMethod.Svd)
        {
            var stacked = Concatenate(modules, out var a, out var b);
            return Factors(SingularValues.OfProduct(b, a, rows, columns, stacked), rows, columns);
        }
        var deltas = new double[modules.Count][];
        var weights = new double[modules.Count];
        for (var i = 0; i < deltas.Length; i++)
        {
            deltas[i] = Delta(modules[i].Pair);
            weights[i] = modules[i].Weight;
        }
        return Factors(SingularValues.Of(CombineTensors(deltas, weights), rows, columns), rows, columns);
    }

    private static FactorPair Concatenate(List<(LoraPair Pair, double Weight)> modules)
    {
        var rank = Concatenate(modules, out var a, out var b);
        return new FactorPair(rank, Round(a), Round(b));
    }

    private static int Concatenate(List<(LoraPair Pair, double Weight)> modules, out double[] a, out double[] b)
    {
        var (rows, columns, rank) = (modules[0].Pair.B.Rows, modules[0].Pair.A.Columns, 0);
        foreach (var (pair, _) in modules) rank = checked(rank + pair.Rank);
        a = new double[(long)rank * columns];
        b = new double[(long)rows * rank];
        var at = 0;
        foreach (var (pair, weight) in modules)
        {
            var (theirA, theirB) = (Decode(pair.A), Decode(pair.B));
            for (var i = 0; i < theirA.Length; i++) a[at * columns + i] = weight * pair.Scaling * theirA[i];
            for (var row = 0; row < rows; row++) Array.Copy(theirB, row * pair.Rank, b, row * rank + at, pair.Rank);
            at += pair.Rank;
        }
        return rank;
    }

    private FactorPair CombineFactors(List<(LoraPair Pair, double Weight)> modules)
    {
        var common = modules[0].Pair.Rank;
        var (a, b, weightsA, weightsB) = (new double[modules.Count][], new double[modules.Count][], new double[modules.Count], new double[modules.Count]);
        for (var i = 0; i < a.Length; i++)
        {
            var (pair, weight) = modules[i];
            if (pair.Rank != common) throw new ArgumentException($"{pair.A.Tensor} has rank {pair.Rank} in one adapter and {common} in another: this method needs the same; cat and the svd forms do not.", nameof(modules));
            (a[i], b[i]) = (Decode(pair.A), Decode(pair.B));
            var scaled = weight * pair.Scaling;
            weightsB[i] = Math.Sqrt(Math.Abs(scaled));
            weightsA[i] = Math.Sign(scaled) * weightsB[i];
        }
        return new FactorPair(common, Round(CombineTensors(a, weightsA)), Round(CombineTensors(b, weightsB)));
    }

    /// <summary>The weighted combination of tensors of one shape, which are overwritten.</summary>
    private double[] CombineTensors(double[][] tensors, double[] weights)
    {
        foreach (var tensor in tensors)
        {
            if (method is CombinationMethod.Ties or CombinationMethod.TiesSvd or CombinationMethod.MagnitudePrune or CombinationMethod.MagnitudePruneSvd) KeepLargest(tensor, options.Density);
            else if (method != CombinationMethod.Linear) KeepAtRandom(tensor, options.Density);
        }
        var elects = method is CombinationMethod.Ties or CombinationMethod.TiesSvd or CombinationMethod.DareTies or CombinationMethod.DareTiesSvd;
        var result = new double[tensors[0].Length];
        for (var k = 0; k < result.Length; k++)
        {
            var (sum, count, sign) = (0.0, 0, elects ? Elect(tensors, k) : 0);
            for (var i = 0; i < tensors.Length; i++)
            {
                // Numbers that were pruned have no sign and never agree.
                if (elects && Math.Sign(tensors[i][k]) != sign) continue;
                sum += weights[i] * tensors[i][k];
                count++;
            }
            result[k] = elects ? sum / Math.Max(1, count) : sum;
        }
        return result;
    }

    private int Elect(double[][] tensors, int k)
    {
        var sum = 0.0;
        foreach (var tensor in tensors) sum += options.SignByFrequency ? Math.Sign(tensor[k]) : tensor[k];
        return sum >= 0 ? 1 : -1;
    }

    private static void KeepLargest(double[] tensor, double density)
    {
        var keep = (int)(density * tensor.Length);
        if (keep >= tensor.Length) return;
        var sizes = new double[tensor.Length];
        var order = new int[tensor.Length];
        for (var i = 0; i < sizes.Length; i++) (sizes[i], order[i]) = (-Math.Abs(tensor[i]), i);
        Array.Sort(sizes, order);
        for (var i = keep; i < order.Length; i++) tensor[order[i]] = 0;
    }

    private void KeepAtRandom(double[] tensor, double density)
    {
        for (var i = 0; i < tensor.Length; i++) tensor[i] = Uniform() < density ? tensor[i] / density : 0;
    }

    /// <summary>SplitMix64 (Steele et al., 2014): a number in [0, 1).</summary>
    private double Uniform()
    {
        var z = _random += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return ((z ^ z >> 31) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>B = U S, A = Vᵀ, the first <c>rank</c> of each.</summary>
    private FactorPair Factors(SingularValues svd, int rows, int columns)
    {
        var (a, b) = (new double[rank * columns], new double[rows * rank]);
        for (var j = 0; j < Math.Min(rank, svd.Count); j++)
        {
            for (var row = 0; row < rows; row++) b[row * rank + j] = svd.Left[j * rows + row] * svd.Values[j];
            for (var k = 0; k < columns; k++) a[j * columns + k] = svd.Right[j * columns + k];
        }
        if (options.Clamp is { } clamp)
        {
            var limit = Math.Abs(Quantile(a, b, clamp));
            for (var i = 0; i < a.Length; i++) a[i] = Math.Clamp(a[i], -limit, limit);
            for (var i = 0; i < b.Length; i++) b[i] = Math.Clamp(b[i], -limit, limit);
        }
        return new FactorPair(rank, Round(a), Round(b));
    }

    private static double Quantile(double[] a, double[] b, double share)
    {
        double[] all = [.. a, .. b];
        Array.Sort(all);
        var place = share * (all.Length - 1);
        var below = (int)place;
        return all[below] + (place - below) * (all[Math.Min(below + 1, all.Length - 1)] - all[below]);
    }

    private static double[] Delta(LoraPair pair)
    {
        var (a, b) = (Decode(pair.A), Decode(pair.B));
        var (rows, columns, rank) = (pair.B.Rows, pair.A.Columns, pair.Rank);
        var delta = new double[(long)rows * columns];
        for (var row = 0; row < rows; row++)
            for (var j = 0; j < rank; j++)
            {
                var factor = pair.Scaling * b[row * rank + j];
                for (var k = 0; k < columns; k++) delta[row * columns + k] += factor * a[j * columns + k];
            }
        return delta;
    }

    private static double[] Decode(LoraMatrix matrix)
    {
        using var floats = AlignedBuffer.OfFloats(matrix.Count);
        Conversions.Decode(matrix.Type, matrix.Data, floats.Floats, matrix.Count);
        var numbers = new double[matrix.Count];
        for (var i = 0; i < numbers.Length; i++) numbers[i] = floats.Floats[i];
        return numbers;
    }

    private static float[] Round(double[] numbers)
    {
        var rounded = new float[numbers.Length];
        for (var i = 0; i < rounded.Length; i++)
            if (!float.IsFinite(rounded[i] = (float)numbers[i])) throw new ArgumentException($"A combined number of {numbers[i]:g3} is more than float32 holds; smaller weights give smaller ones.");
        return rounded;
    }
}
