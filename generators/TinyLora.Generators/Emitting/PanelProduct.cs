using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Writes how eight rows of weights enter a panel, and the integer products of one of its blocks with the same block of a tile of input rows.</summary>
internal abstract class PanelProduct(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size)
{
    protected SourceWriter Code => code;

    protected VectorSet Set => set;

    protected WeightFormat Format => format;

    protected BlockFormat Blocks { get; } = new(format, set.Narrow);

    protected RowOffsets Offsets { get; } = new(size);

    protected string V => set.V;

    /// <summary>Rows of a panel.</summary>
    protected int R => set.PanelRows;

    /// <summary>Bytes of a row's block in the panel.</summary>
    public virtual int RowBytes => 32;

    /// <summary>Declares constants.</summary>
    public virtual void Constants()
    {
        foreach (var line in set.Narrow.Constants) code.Line(line);
    }

    /// <summary>Lays <c>tokens</c> input rows at x out as the products want them.</summary>
    public virtual void Pack()
    {
    }

    /// <summary>Declares w0, w1 …: a block of eight rows, each at the pointer that <paramref name="row"/> gives.</summary>
    public virtual void Load(Func<int, string> row)
    {
        for (var j = 0; j < 8; j++) Blocks.Unpack(code, row(j), 0, "w" + j);
    }

    /// <summary>Stores what <see cref="Load"/> declared to the panel at <c>to</c>, a row a lane.</summary>
    public virtual void Turn()
    {
        set.Narrow.Transpose(code, "w", "column");
        for (var k = 0; k < 8; k++)
            for (var p = 0; p < set.Parts; p++) code.Line($"{set.Narrow.V}.Store({set.Part("column" + k, p)}.AsByte(), to + {4 * R * k + 16 * p});");
    }

    /// <summary>Declares <c>tile</c>, the input rows from t on.</summary>
    public abstract void OpenTile();

    /// <summary>Declares i{token}: the products of block b at <c>w</c>, for each row.</summary>
    public abstract void Sums(int tokens);

    /// <summary>A token's scale of block b.</summary>
    public abstract string Scale(int tokens, int token);

    /// <summary>A token's scaled sum of block b.</summary>
    public abstract string ScaledSum(int tokens, int token);

    public static PanelProduct Of(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size) =>
        set.Parts == 1 ? new PackedProduct(code, set, format, size) : new DotProduct(code, set, format, size);
}
