using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>Where projections share an input, so that their A are stacked and t = A x is computed once.</summary>
internal enum LoraPlace
{
    /// <summary>Query, Key, Value: the normalised input of attention.</summary>
    Attention,
    /// <summary>Output: what the heads give.</summary>
    Output,
    /// <summary>Gate, Up: the normalised input of the MLP.</summary>
    Mlp,
    /// <summary>Down: the gated activations.</summary>
    Down,
    /// <summary>The head, which stands in no layer: the normalised rows whose logits are wanted.</summary>
    Head,
}

/// <summary>One projection's B, rows in panels of eight: [Rows / 8][Rank][8], rows past the end zero.</summary>
internal unsafe struct LoraProjection
{
    /// <summary>Null where the adapter leaves the projection alone.</summary>
    public byte* B;
    /// <summary>F32, F16 or BF16.</summary>
    public ElementType Type;
    public int Rank;
    /// <summary>Where its ranks begin in the stacked A and in t.</summary>
    public int Offset;
    /// <summary>Alpha / Rank, or what else the file asks for; the user's scale comes on top.</summary>
    public float Scaling;
    /// <summary>Null where B stands alone.</summary>
    public ProjectionVectors* Vectors;
}

/// <summary>What an adapter does at one place of one layer.</summary>
internal unsafe struct LoraSite
{
    /// <summary>[Rank, Columns]: the A of the projections stacked, row after row.</summary>
    public byte* A;
    /// <summary>F32, F16 or BF16, the same for the stacked ones.</summary>
    public ElementType Type;
    /// <summary>Rows of the stacked A; 0: nothing here.</summary>
    public int Rank;
    public int Columns;
    /// <summary>The kernel that multiplies with A.</summary>
    public int Kernel;
    /// <summary>Query, Output, Gate or Down, by place.</summary>
    public LoraProjection First;
    /// <summary>Key or Up.</summary>
    public LoraProjection Second;
    /// <summary>Value.</summary>
    public LoraProjection Third;
}

/// <summary>An adapter laid out for one model's kernels: checked, copied once into native memory, never changed.</summary>
internal sealed unsafe class BoundAdapter(LoraAdapter adapter, LoraSite[] sites, int maxRank, BoundParts parts, AlignedBuffer memory) : IDisposable
{
    // The adapter itself, and each session whose last step used it.
    private int _holders = 1;

    public LoraAdapter Adapter { get; } = adapter;

    /// <summary>The largest stacked rank of a site.</summary>
    public int MaxRank { get; } = maxRank;

    /// <summary>Floats of a row of t that it takes: each adapter's part begins at a cache line.</summary>
    public int RankRoom => checked((MaxRank + 15) & ~15);

    /// <summary>What it does beside adding B A to the layers' projections.</summary>
    public BoundParts Parts { get; } = parts;

    /// <summary>The site of a layer, or the head's, whatever the layer.</summary>
    public ref readonly LoraSite Site(int layer, LoraPlace place) => ref sites[place == LoraPlace.Head ? sites.Length - 1 : 4 * layer + (int)place];

    public bool IsFreed => Volatile.Read(ref _holders) <= 0;

    /// <summary>Keeps the memory until one more <see cref="Dispose"/>.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>Frees the memory if no one else holds it.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _holders) != 0) return;
        Parts.Dispose();
        memory.Dispose();
    }
}
