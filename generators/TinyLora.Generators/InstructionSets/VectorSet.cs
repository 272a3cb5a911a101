using TinyLora.Generators.Text;

using TinyLora.Generators.Specs;

namespace TinyLora.Generators.InstructionSets;

/// <summary>
/// The facts of one instruction set as text: how eight float lanes and blocks of 32 bytes lie in its registers and which intrinsics work on them.
/// A logical vector of eight lanes (or 32 bytes) is one register of 256 bits or two of 128, <see cref="Parts"/>, or half of one of 512, <see cref="Abreast"/>.
/// </summary>
internal abstract class VectorSet
{
    public static readonly IReadOnlyList<VectorSet> All =
        [new PortableSet(), new NeonSet(dot: false), new NeonSet(dot: true), new AvxSet("Avx2"), new AvxVnniSet(), new Avx512Set()];

    /// <summary>Those that a build for a processor can use.</summary>
    public static IReadOnlyList<VectorSet> Of(Processor processor) =>
        [.. All.Where(set => processor == Processor.Any || set.Processor == Processor.Any || set.Processor == processor)];

    /// <summary>The property of TinyLora.Kernels.InstructionSet.</summary>
    public abstract string Name { get; }

    /// <summary>The processor whose instructions it uses, or any.</summary>
    public abstract Processor Processor { get; }

    /// <summary>The level of x86-64, as v3, that a program may carry its kernels compiled for without needing it; null where kernels are the program's own.</summary>
    public virtual string? Level => null;

    /// <summary>Bits of the register that holds a part of a logical vector.</summary>
    public abstract int Bits { get; }

    /// <summary>Registers that a tile may plan with.</summary>
    public abstract int Registers { get; }

    /// <summary>Rows of a panel in the mat-mat kernels, or 0 where they multiply row by row.</summary>
    public abstract int PanelRows { get; }

    /// <summary>Whether weights enter products as unsigned bytes.</summary>
    public abstract bool UnsignedWeights { get; }

    /// <summary>Registers of a logical vector.</summary>
    public int Parts => Bits < 256 ? 256 / Bits : 1;

    /// <summary>Logical vectors of a register, side by side.</summary>
    public int Abreast => Bits > 256 ? Bits / 256 : 1;

    /// <summary>Whether loads take masks.</summary>
    public virtual bool HasMasks => false;

    /// <summary>The same instructions on registers that hold one logical vector, or a part of one.</summary>
    public virtual VectorSet Narrow => this;

    public string V => "Vector" + Bits;

    /// <summary>A register of int zeros.</summary>
    public string Zero => V + "<int>.Zero";

    /// <summary>The name of part p of a logical vector.</summary>
    public string Part(string name, int p) => Parts == 1 ? name : name + (p == 0 ? "Low" : "High");

    /// <summary>Eight inputs, or a part of them, from a pointer to floats; for each of the logical vectors of a register.</summary>
    public virtual string LoadInput(string p) => $"{V}.Load({p})";

    /// <summary>a · b + c in one rounding.</summary>
    public abstract string Fma(string a, string b, string c);

    /// <summary>Constants that integer kernels need, as declarations.</summary>
    public abstract IEnumerable<string> Constants { get; }

    /// <summary>Two vectors of 16 nibbles, low ones first, from 16 bytes at p: one expression a part.</summary>
    public abstract string Nibbles(string p, int part);

    /// <summary>Bytes of 16 where bit i of the 32 bits at p is set.</summary>
    public abstract string FifthBits(string p, int part);

    /// <summary>
    /// The weights of a register by their activations and small scales: int lanes whose sum, for each logical vector, is the block's; w names the weights, q and
    /// m are pointers. A set may leave the small scales of unsigned weights to <see cref="Reduce"/>.
    /// </summary>
    public abstract string Dot(string w, string q, string m, bool signed);

    /// <summary>The same for two half blocks with weight scales at s[0], s[1].</summary>
    public abstract string ScaledHalvesDot(string w, string q, string m, string s);

    /// <summary>Declares the logical int vector <paramref name="name"/> whose lane j is the sum over the lanes of block j; blocks that are not there are <see cref="Zero"/>.</summary>
    /// <param name="name">The vector's name.</param>
    /// <param name="partials">What the products of the group's registers gave.</param>
    /// <param name="m">Pointer to the group's small scales after <see cref="Dot"/> of unsigned weights, else empty.</param>
    public abstract IEnumerable<string> Reduce(string name, IReadOnlyList<string> partials, string m);

    /// <summary>Declares scale (and minimum), eight float lanes, from the half at each head (and the one after it); a head whose condition is false, or that is not there, gives zero.</summary>
    public abstract void HalfScales(SourceWriter code, IReadOnlyList<(string At, string? Condition)> heads, bool minimum);

    /// <summary>The same of the heads of the blocks of a group.</summary>
    public virtual void GroupScales(SourceWriter code, string group, int blockBytes, int count, Func<int, string?> present, bool minimum) =>
        HalfScales(code, [.. Enumerable.Range(0, count).Select(j => ($"{group} + {j * blockBytes}", present(j)))], minimum);

    /// <summary>Declares the logical vectors <paramref name="columns"/>0 to 7 of four-byte lanes: lane i of the k-th is lane k of the i-th of <paramref name="rows"/>0 to 7.</summary>
    public abstract void Transpose(SourceWriter code, string rows, string columns);

    /// <summary>Int lanes of one part, widened from eight bytes in a ulong.</summary>
    public abstract string WidenBytes(string eightBytes, int part);
}
