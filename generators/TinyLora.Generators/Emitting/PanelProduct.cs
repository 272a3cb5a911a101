using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Writes the integer products of one block of a panel with the same block of several input rows: i{token}, a row a lane.</summary>
internal sealed class PanelProduct(SourceWriter code, VectorSet set, WeightFormat format)
{
    /// <summary>Registers that hold one value for each row of the panel.</summary>
    public int Parts => set.Parts;

    /// <summary>Rows a register.</summary>
    public int Lanes => set.PanelRows / Parts;

    public string V => set.V;

    public string Part(string name, int p) => set.Part(name, p);

    public string Fma(string a, string b, string c) => set.Fma(a, b, c);

    private bool Wide => set.Abreast == 2;

    private string Isa => Wide ? "Avx512BW" : "Avx2";

    public void Emit(int tokens)
    {
        if (set.Parts == 2) SignedDots(tokens);
        else if (format == WeightFormat.Q8_0) SignedBytes(tokens);
        else if (format == WeightFormat.Q6_K) HalfScaledBytes(tokens);
        else UnsignedBytes(tokens);
    }

    private string Four(int token, string k) => $"{V}.Create(*(int*)(q + {token} * stride + {k})).AsSByte()";

    // The small scale of the eight activations at k, for every 16-bit lane.
    private string Scale(int token) => $"{V}.Create(*(int*)(e + {token} * stride + k)).AsInt16()";

    // i += pairs · scale, summed by twos.
    private string Accumulate(int token, string pairs, string scale) => set.Name == "Avx2Vnni"
        ? $"i{token} = AvxVnni.MultiplyWideningAndAdd(i{token}, {pairs}, {scale});"
        : $"i{token} += {Isa}.MultiplyAddAdjacent({pairs}, {scale});";

    // Loops, not unrolled text: one step is long enough to hide the loop, and the compiler binds every line of every kernel of the program.
    private void OpenStep(int tokens, int bytes)
    {
        foreach (var (u, p) in Sums(tokens)) code.Line($"var {Part($"i{u}", p)} = {V}<int>.Zero;");
        code.Open($"for (var k = 0; k < 32; k += {bytes})");
    }

    // Two products of pairs, 2 · 2 · 31 · 127 at most, fit 16 bits one upon the other.
    private void UnsignedBytes(int tokens)
    {
        OpenStep(tokens, 8);
        code.Line($"var f = {V}.Load(w + k * {set.PanelRows});");
        code.Line($"var g = {V}.Load(w + (k + 4) * {set.PanelRows});");
        for (var u = 0; u < tokens; u++)
            code.Line(Accumulate(u, $"{Isa}.MultiplyAddAdjacent(f, {Four(u, "k")}) + {Isa}.MultiplyAddAdjacent(g, {Four(u, "k + 4")})", Scale(u)));
        code.Close();
    }

    private void SignedBytes(int tokens)
    {
        OpenStep(tokens, 8);
        foreach (var (f, at) in new[] { ("f", "k"), ("g", "k + 4") })
        {
            code.Line($"var {f} = {V}.Load(w + ({at}) * {set.PanelRows}).AsSByte();");
            code.Line($"var {f}Magnitude = {Isa}.Abs({f});");
            if (Wide) code.Line($"var {f}Negative = Vector512.LessThan({f}, Vector512<sbyte>.Zero);");
        }
        for (var u = 0; u < tokens; u++)
        {
            code.Line($"var m{u} = {Scale(u)};");
            foreach (var (f, at) in new[] { ("f", "k"), ("g", "k + 4") })
            {
                if (Wide) code.Line($"var {f}{u} = {Four(u, at)};");
                var signed = Wide ? $"Vector512.ConditionalSelect({f}Negative, Vector512<sbyte>.Zero - {f}{u}, {f}{u})" : $"Avx2.Sign({Four(u, at)}, {f})";
                code.Line(Accumulate(u, $"{Isa}.MultiplyAddAdjacent({f}Magnitude, {signed})", $"m{u}"));
            }
        }
        code.Close();
    }

    // q6 = w + 32: the sum of w · scale over both halves is that of q6 · scale less 32 · scale · Σ m q.
    private void HalfScaledBytes(int tokens)
    {
        code.Line($"var pairs = {V}.Load((int*)halfScales);");
        code.Line($"var halfScale = (pairs & {V}.Create(0xFFFF) | {V}.ShiftLeft(pairs, 16)).AsInt16();");
        OpenStep(tokens, 8);
        code.Line($"if (k == 16) halfScale = ({V}.ShiftRightLogical(pairs, 16) | pairs & {V}.Create(unchecked((int)0xFFFF0000))).AsInt16();");
        code.Line($"var f = {V}.Load(w + k * {set.PanelRows});");
        code.Line($"var g = {V}.Load(w + (k + 4) * {set.PanelRows});");
        for (var u = 0; u < tokens; u++)
            code.Line(Accumulate(u, $"{Isa}.MultiplyAddAdjacent(f, {Four(u, "k")}) + {Isa}.MultiplyAddAdjacent(g, {Four(u, "k + 4")})", $"halfScale * {Scale(u)}"));
        code.Close();
        code.Line($"var firstScale = {V}.ShiftRightArithmetic({V}.ShiftLeft(pairs, 16), 16);");
        code.Line($"var secondScale = {V}.ShiftRightArithmetic(pairs, 16);");
        for (var u = 0; u < tokens; u++)
            code.Line($"i{u} -= {V}.ShiftLeft(firstScale * {V}.Create(h[{u} * (stride / 4)]) + secondScale * {V}.Create(h[{u} * (stride / 4) + 1]), 5);");
    }

    // SDOT by element: four bytes of a register of activations against four rows; two steps to a small scale.
    private void SignedDots(int tokens)
    {
        OpenStep(tokens, 16);
        if (format == WeightFormat.Q6_K)
            for (var p = 0; p < 2; p++)
                code.Line($"var {Part("halfScale", p)} = Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(Vector128.Load((int*)halfScales + {4 * p}), 16 - k), 16);");
        for (var u = 0; u < tokens; u++)
        {
            code.Line($"var x{u} = Vector128.Load((sbyte*)(q + {u} * stride + k));");
            code.Line($"var m{u} = (short*)(e + {u} * stride + k);");
        }
        for (var half = 0; half < 2; half++)
        {
            for (var step = 2 * half; step < 2 * half + 2; step++)
                for (var p = 0; p < 2; p++) code.Line($"var {Part($"f{step}", p)} = Vector128.Load((sbyte*)w + (k + {4 * step}) * 8 + {16 * p});");
            foreach (var (u, p) in Sums(tokens))
            {
                var (first, second) = (Part($"f{2 * half}", p), Part($"f{2 * half + 1}", p));
                var sum = $"Dp.DotProductBySelectedQuadruplet(Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, {first}, x{u}, {2 * half}), {second}, x{u}, {2 * half + 1})";
                var scale = format == WeightFormat.Q6_K ? $"({Part("halfScale", p)} * m{u}[{4 * half}])" : $"m{u}[{4 * half}]";
                code.Line($"{Part($"i{u}", p)} += {sum} * {scale};");
            }
        }
        code.Close();
    }

    private IEnumerable<(int Token, int Part)> Sums(int tokens)
    {
        for (var u = 0; u < tokens; u++)
            for (var p = 0; p < Parts; p++)
                yield return (u, p);
    }
}
