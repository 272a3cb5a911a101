using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>Makes one adapter of several, to be saved: at inference an <see cref="AdapterSet"/> sums adapters exactly and needs none of this.</summary>
public static unsafe class AdapterCombination
{
    /// <summary>PEFT's names of the methods, in the order of <see cref="CombinationMethod"/>.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["cat", "linear", "svd", "ties", "ties_svd", "dare_linear", "dare_ties", "dare_linear_svd", "dare_ties_svd", "magnitude_prune", "magnitude_prune_svd"];

    /// <summary>The method that PEFT calls so.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public static CombinationMethod Parse(string name)
    {
        for (var i = 0; i < Names.Count; i++)
            if (Names[i] == name) return (CombinationMethod)i;
        throw new ArgumentException($"'{name}' is no method of combination: {string.Join(", ", Names)} are.", nameof(name));
    }

    /// <summary>Combines adapters; the result's scaling is 1 in every module, its numbers float32. One adapter alone is scaled as <see cref="CombinationMethod.Linear"/> does.</summary>
    /// <param name="method">How.</param>
    /// <param name="adapters">What; their <see cref="LoraAdapter.Scale"/> does not count.</param>
    /// <param name="weights">A number for each.</param>
    /// <param name="options">What the method needs.</param>
    /// <exception cref="ArgumentException">There are no adapters, or other than as many weights; one holds more than A and B; ranks differ where the method needs the same; shapes differ; they are for different bases; the density is missing or the rank is larger than a matrix.</exception>
    /// <exception cref="ObjectDisposedException">An adapter is disposed.</exception>
    public static LoraAdapter Combine(CombinationMethod method, ReadOnlySpan<LoraAdapter> adapters, ReadOnlySpan<float> weights, CombinationOptions? options = null)
    {
        options ??= new CombinationOptions();
        Check(method, adapters, weights, options);
        if (adapters.Length == 1) method = CombinationMethod.Linear;
        var held = 0;
        try
        {
            // In use, so that no one disposes them meanwhile.
            for (; held < adapters.Length; held++) adapters[held].AddUse();
            return Make(method, adapters, weights, options);
        }
        finally
        {
            while (held > 0) adapters[--held].ReleaseUse();
        }
    }

    private static LoraAdapter Make(CombinationMethod method, ReadOnlySpan<LoraAdapter> adapters, ReadOnlySpan<float> weights, CombinationOptions options)
    {
        var baseHash = SharedBaseHash(adapters);
        var modules = new SortedDictionary<(int Layer, WeightKind Kind), List<(LoraPair Pair, double Weight)>>();
        var rank = options.Rank;
        for (var i = 0; i < adapters.Length; i++)
        {
            if (options.Rank == 0) rank = Math.Max(rank, adapters[i].Rank);
            foreach (var pair in adapters[i].Content.Pairs)
            {
                if (!modules.TryGetValue((pair.Layer, pair.Kind), out var list)) modules.Add((pair.Layer, pair.Kind), list = []);
                if (list.Count > 0 && (list[0].Pair.A.Columns != pair.A.Columns || list[0].Pair.B.Rows != pair.B.Rows))
                    throw new ArgumentException($"{pair.A.Tensor} of {adapters[i].Path} is of another size than that of the adapters before it.", nameof(adapters));
                list.Add((pair, weights[i]));
            }
        }
        var combiner = new ModuleCombiner(method, options, rank);
        var results = new List<(WeightKind Kind, int Layer, FactorPair Factors)>();
        var bytes = 0L;
        foreach (var ((layer, kind), list) in modules)
        {
            var factors = combiner.Combine(list);
            results.Add((kind, layer, factors));
            bytes += Room(factors.A) + Room(factors.B);
        }
        var memory = new AlignedBuffer(bytes);
        var at = memory.Pointer;
        var pairs = new LoraPair[results.Count];
        for (var i = 0; i < pairs.Length; i++)
        {
            var (kind, layer, factors) = results[i];
            var isEmbedding = kind == WeightKind.Embedding;
            var name = ModuleName.Of(kind, layer);
            var a = Store(name + (isEmbedding ? ".lora_embedding_A" : ".lora_A.weight"), factors.A, factors.Rank, ref at);
            var b = Store(name + (isEmbedding ? ".lora_embedding_B" : ".lora_B.weight"), factors.B, factors.B.Length / factors.Rank, ref at);
            pairs[i] = new LoraPair(kind, layer, a, b, factors.Rank, 1f);
        }
        var first = adapters[0].Content;
        var made = $"{Names[(int)method]} of {string.Join(", ", adapters.ToArray().Select(adapter => adapter.Name))}";
        return new LoraAdapter(made, new AdapterContent
        {
            Path = first.Path,
            Format = AdapterFormat.Peft,
            Architecture = first.Architecture,
            RowOrder = first.RowOrder,
            Pairs = pairs,
            Alpha = pairs[0].Alpha,
            BaseModel = first.BaseModel,
            BaseHash = baseHash,
            Memory = memory,
        }, made);
    }

    /// <summary>The hash of the base that all go on, the strictest that one has, or null.</summary>
    private static ModelHash? SharedBaseHash(ReadOnlySpan<LoraAdapter> adapters)
    {
        // By kind.
        var found = new LoraAdapter?[2];
        foreach (var adapter in adapters)
        {
            if (adapter.BaseHash is not { } hash) continue;
            ref var other = ref found[(int)hash.Kind];
            if (other != null && other.BaseHash != hash)
            {
                if (adapter.AllowsOtherBase || other.AllowsOtherBase) return null;
                throw new ArgumentException($"{adapter.Path} is for another base than {other.Path}: {hash} and {other.BaseHash} (AllowsOtherBase, or --allow-other-base, combines them).", nameof(adapters));
            }
            other ??= adapter;
        }
        return (found[(int)ModelHashKind.Weights] ?? found[(int)ModelHashKind.Norms])?.BaseHash;
    }

    private static void Check(CombinationMethod method, ReadOnlySpan<LoraAdapter> adapters, ReadOnlySpan<float> weights, CombinationOptions options)
    {
        if (!Enum.IsDefined(method)) throw new ArgumentOutOfRangeException(nameof(method), method, "This is no method.");
        if (adapters.Length == 0) throw new ArgumentException("There are no adapters.", nameof(adapters));
        if (weights.Length != adapters.Length) throw new ArgumentException($"{weights.Length} weights for {adapters.Length} adapters.", nameof(weights));
        foreach (var weight in weights)
            if (!float.IsFinite(weight)) throw new ArgumentException($"A weight of {weight}; expected finite numbers.", nameof(weights));
        if (options.Rank < 0) throw new ArgumentException($"A rank of {options.Rank}; expected 1 or more, or 0 for the largest.", nameof(options));
        if (options.Clamp is { } clamp && !(clamp is >= 0 and <= 1)) throw new ArgumentException($"A clamp of {clamp}; expected 0 to 1.", nameof(options));
        if (method > CombinationMethod.Svd && !(options.Density is > 0 and <= 1)) throw new ArgumentException($"A density of {options.Density}; {Names[(int)method]} needs one above 0 up to 1.", nameof(options));
        foreach (var adapter in adapters)
        {
            ArgumentNullException.ThrowIfNull(adapter, nameof(adapters));
            foreach (var tensor in adapter.Content.Others)
                if (tensor.IsApplied) throw new ArgumentException($"{adapter.Path} holds {tensor.Matrix.Tensor}: only A and B can be combined.", nameof(adapters));
            if (adapter.Content.PairOfTiedHead != null) throw new ArgumentException($"{adapter.Path} is mlx-lm's, on the embedding, and acts on the head too where a model ties both: convert it for PEFT with the model first.", nameof(adapters));
            if (adapter.InvocationTokens.Count > 0) throw new ArgumentException($"{adapter.Path} is switched on by invocation tokens: it cannot be combined.", nameof(adapters));
            if (adapter.Content.RowOrder != adapters[0].Content.RowOrder || adapter.Content.Architecture != adapters[0].Content.Architecture)
                throw new ArgumentException($"{adapter.Path} orders its rows as another format or architecture does than {adapters[0].Path}: convert one of them first.", nameof(adapters));
        }
    }

    private static long Room(float[] numbers) => (numbers.Length * (long)sizeof(float) + 63) & ~63L;

    private static LoraMatrix Store(string name, float[] numbers, int rows, ref byte* at)
    {
        var matrix = new LoraMatrix(name, ElementType.F32, rows, numbers.Length / rows, at);
        numbers.CopyTo(new Span<float>(at, numbers.Length));
        at += Room(numbers);
        return matrix;
    }
}
