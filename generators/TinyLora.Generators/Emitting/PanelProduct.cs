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

    public string V => "Vector" + 32 * Lanes;

    public string Part(string name, int p) => set.Part(name, p);

    public string Fma(string a, string b, string c) => Lanes == 16 ? $"Avx512F.FusedMultiplyAdd({a}, {b}, {c})" : set.Fma(a, b, c);

    public IEnumerable<string> Constants => Lanes == 16 ? ["var wideOnes = Vector512<short>.One;"] : [];

    private bool Wide => Lanes == 16;

    private string Isa => Wide ? "Avx512BW" : "Avx2";

    private string Ones => Wide ? "wideOnes" : "ones";

    private bool Vnni => set.Name == "Avx2Vnni";

    // How many products of pairs fit 16 bits one upon another: 8 · 2 · 15 · 127, 4 · 2 · 31 · 127, 2 · 2 · 63 · 127 are below 2^15.
    private int PairsIn16Bits => format switch
    {
        WeightFormat.Q4_0 or WeightFormat.Q4_1 or WeightFormat.Q4_K => 8,
        WeightFormat.Q5_0 or WeightFormat.Q5_1 or WeightFormat.Q5_K => 4,
        WeightFormat.Q6_K => 2,
        _ => 1,
    };

    public void Emit(int tokens)
    {
        if (set.Parts == 2) SignedDots(tokens);
        else if (format == WeightFormat.Q8_0) SignedBytes(tokens);
        else if (format == WeightFormat.Q6_K) HalfScaledBytes(tokens);
        else if (Vnni) UnsignedDots(tokens);
        else UnsignedBytes(tokens);
    }

    private string Four(int token, string k) => $"{V}.Create(*(int*)(q + {token} * stride + {k})).AsSByte()";

    private void Zero(string name, string type, int tokens)
    {
        for (var u = 0; u < tokens; u++) code.Line($"var {name}{u} = {V}<{type}>.Zero;");
    }

    // Loops, not unrolled text: one step is long enough to hide the loop, and the compiler binds every line of every kernel of the program.
    private void UnsignedDots(int tokens)
    {
        Zero("i", "int", tokens);
        code.Open("for (var k = 0; k < 32; k += 4)");
        code.Line($"var f = {V}.Load(w + k * {set.PanelRows});");
        for (var u = 0; u < tokens; u++) code.Line($"i{u} = AvxVnni.MultiplyWideningAndAdd(i{u}, f, {Four(u, "k")});");
        code.Close();
    }

    private void UnsignedBytes(int tokens)
    {
        var (run, whole) = (4 * PairsIn16Bits, PairsIn16Bits == 8);
        if (!whole)
        {
            Zero("i", "int", tokens);
            code.Open($"for (var from = 0; from < 32; from += {run})");
        }
        Zero("s", "short", tokens);
        code.Open($"for (var k = {(whole ? "0" : "from")}; k < {(whole ? "32" : $"from + {run}")}; k += 4)");
        code.Line($"var f = {V}.Load(w + k * {set.PanelRows});");
        for (var u = 0; u < tokens; u++) code.Line($"s{u} += {Isa}.MultiplyAddAdjacent(f, {Four(u, "k")});");
        code.Close();
        for (var u = 0; u < tokens; u++) code.Line($"{(whole ? "var " : "")}i{u} {(whole ? "" : "+")}= {Isa}.MultiplyAddAdjacent(s{u}, {Ones});");
        if (!whole) code.Close();
    }

    private void SignedBytes(int tokens)
    {
        Zero("i", "int", tokens);
        code.Open("for (var k = 0; k < 32; k += 4)");
        code.Line($"var f = {V}.Load(w + k * {set.PanelRows}).AsSByte();");
        code.Line($"var magnitude = {Isa}.Abs(f);");
        if (Wide) code.Line("var negative = Vector512.LessThan(f, Vector512<sbyte>.Zero);");
        for (var u = 0; u < tokens; u++)
        {
            if (Wide) code.Line($"var x{u} = {Four(u, "k")};");
            var signed = Wide ? $"Vector512.ConditionalSelect(negative, Vector512<sbyte>.Zero - x{u}, x{u})" : $"Avx2.Sign({Four(u, "k")}, f)";
            code.Line(Vnni
                ? $"i{u} = AvxVnni.MultiplyWideningAndAdd(i{u}, magnitude, {signed});"
                : $"i{u} += {Isa}.MultiplyAddAdjacent({Isa}.MultiplyAddAdjacent(magnitude, {signed}), {Ones});");
        }
        code.Close();
    }

    // q6 = w + 32: the sum of w · scale over both halves is that of q6 · scale less 32 · scale · Σx.
    private void HalfScaledBytes(int tokens)
    {
        code.Line($"var pairs = {V}.Load((int*)halfScales);");
        code.Line($"var halfScale = (pairs & {V}.Create(0xFFFF) | {V}.ShiftLeft(pairs, 16)).AsInt16();");
        Zero("i", "int", tokens);
        code.Open("for (var k = 0; k < 32; k += 8)");
        code.Line($"if (k == 16) halfScale = ({V}.ShiftRightLogical(pairs, 16) | pairs & {V}.Create(unchecked((int)0xFFFF0000))).AsInt16();");
        code.Line($"var f = {V}.Load(w + k * {set.PanelRows});");
        code.Line($"var g = {V}.Load(w + (k + 4) * {set.PanelRows});");
        for (var u = 0; u < tokens; u++)
            code.Line($"i{u} += {Isa}.MultiplyAddAdjacent({Isa}.MultiplyAddAdjacent(f, {Four(u, "k")}) + {Isa}.MultiplyAddAdjacent(g, {Four(u, "k + 4")}), halfScale);");
        code.Close();
        for (var u = 0; u < tokens; u++)
            code.Line($"i{u} = i{u} - {V}.ShiftLeft({Isa}.MultiplyAddAdjacent(pairs.AsInt16(), {V}.Create(h[{u} * (stride / 4)]).AsInt16()), 5);");
    }

    // SDOT by element: four bytes of a register of activations against four rows, so that a step of 16 bytes takes four.
    private void SignedDots(int tokens)
    {
        var halves = format == WeightFormat.Q6_K;
        foreach (var (u, p) in Sums(tokens)) code.Line($"var {Part($"i{u}", p)} = Vector128<int>.Zero;");
        code.Open("for (var k = 0; k < 32; k += 16)");
        if (halves)
        {
            for (var p = 0; p < 2; p++)
                code.Line($"var {Part("halfScale", p)} = Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(Vector128.Load((int*)halfScales + {4 * p}), 16 - k), 16);");
            foreach (var (u, p) in Sums(tokens)) code.Line($"var {Part($"s{u}", p)} = Vector128<int>.Zero;");
        }
        for (var u = 0; u < tokens; u++) code.Line($"var x{u} = Vector128.Load((sbyte*)(q + {u} * stride + k));");
        for (var step = 0; step < 4; step++)
        {
            for (var p = 0; p < 2; p++) code.Line($"var {Part($"f{step}", p)} = Vector128.Load((sbyte*)w + (k + {4 * step}) * 8 + {16 * p});");
            foreach (var (u, p) in Sums(tokens))
            {
                var sum = Part((halves ? "s" : "i") + u, p);
                code.Line($"{sum} = Dp.DotProductBySelectedQuadruplet({sum}, {Part($"f{step}", p)}, x{u}, {step});");
            }
        }
        if (halves)
            foreach (var (u, p) in Sums(tokens)) code.Line($"{Part($"i{u}", p)} += {Part($"s{u}", p)} * {Part("halfScale", p)};");
        code.Close();
    }

    private IEnumerable<(int Token, int Part)> Sums(int tokens)
    {
        for (var u = 0; u < tokens; u++)
            for (var p = 0; p < Parts; p++)
                yield return (u, p);
    }
}
