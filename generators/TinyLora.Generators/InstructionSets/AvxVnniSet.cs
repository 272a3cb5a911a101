namespace TinyLora.Generators.InstructionSets;

/// <summary>AVX2 with AVX-VNNI, which adds four products of bytes to an int, or two of 16 bits.</summary>
internal sealed class AvxVnniSet() : AvxSet("Avx2Vnni")
{
    // Sums of four products, of which two share a small scale.
    public override string Dot(string w, string q, string m, bool signed) => signed
        ? base.Dot(w, q, m, signed)
        : $"AvxVnni.MultiplyWideningAndAdd(Vector256<int>.Zero, {w}, Vector256.Load((sbyte*)({q})))";

    // Sums of four unsigned products, 4 · 31 · 127 at most, fit 16 bits: two blocks go into one register before their small scales do.
    public override IEnumerable<string> Reduce(string name, IReadOnlyList<string> p, string m)
    {
        if (m.Length == 0) return base.Reduce(name, p, m);
        var scaled = Enumerable.Range(0, 4).Select(i =>
            $"Avx2.MultiplyAddAdjacent(Avx2.PackSignedSaturate({p[2 * i]}, {p[2 * i + 1]}), Avx.Shuffle(Vector256.Load((float*)({m} + {32 * i})), Vector256.Load((float*)({m} + {32 * i + 16})), 0x88).AsInt16())").ToArray();
        return
        [
            $"var quad0 = Avx2.HorizontalAdd({scaled[0]}, {scaled[1]});",
            $"var quad1 = Avx2.HorizontalAdd({scaled[2]}, {scaled[3]});",
            $"var {name} = {JoinQuads};",
        ];
    }
}
