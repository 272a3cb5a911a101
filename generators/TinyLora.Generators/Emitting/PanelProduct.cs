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

    private void Weights(int k) => code.Line($"var w{k} = {V}.Load(w + {k * set.PanelRows * 4});");

    private string Four(int token, int k) => $"{V}.Create(*(int*)(q + {token} * stride + {4 * k})).AsSByte()";

    private void UnsignedDots(int tokens)
    {
        for (var k = 0; k < 8; k++)
        {
            Weights(k);
            for (var u = 0; u < tokens; u++)
                code.Line($"{(k == 0 ? "var " : "")}i{u} = AvxVnni.MultiplyWideningAndAdd({(k == 0 ? "Vector256<int>.Zero" : $"i{u}")}, w{k}, {Four(u, k)});");
        }
    }

    private void UnsignedBytes(int tokens)
    {
        for (var k = 0; k < 8; k++)
        {
            Weights(k);
            for (var u = 0; u < tokens; u++)
            {
                var product = $"{Isa}.MultiplyAddAdjacent(w{k}, {Four(u, k)})";
                var first = k % PairsIn16Bits == 0;
                var run = k / PairsIn16Bits;
                code.Line($"{(first ? "var " : "")}s{run}{u} = {(first ? "" : $"s{run}{u} + ")}{product};");
            }
        }
        for (var u = 0; u < tokens; u++)
        {
            var runs = Enumerable.Range(0, 8 / PairsIn16Bits).Select(run => $"{Isa}.MultiplyAddAdjacent(s{run}{u}, {Ones})");
            code.Line($"var i{u} = {string.Join(" + ", runs)};");
        }
    }

    private void SignedBytes(int tokens)
    {
        for (var k = 0; k < 8; k++)
        {
            Weights(k);
            code.Line($"var m{k} = {Isa}.Abs(w{k}.AsSByte());");
            if (Wide) code.Line($"var negative{k} = Vector512.LessThan(w{k}.AsSByte(), Vector512<sbyte>.Zero);");
            for (var u = 0; u < tokens; u++)
            {
                var sum = k == 0 ? "" : $"i{u} + ";
                if (Wide) code.Line($"var f{k}{u} = {Four(u, k)};");
                var signed = Wide ? $"Vector512.ConditionalSelect(negative{k}, Vector512<sbyte>.Zero - f{k}{u}, f{k}{u})" : $"Avx2.Sign({Four(u, k)}, w{k}.AsSByte())";
                code.Line(Vnni
                    ? $"{(k == 0 ? "var " : "")}i{u} = AvxVnni.MultiplyWideningAndAdd({(k == 0 ? "Vector256<int>.Zero" : $"i{u}")}, m{k}, {signed});"
                    : $"{(k == 0 ? "var " : "")}i{u} = {sum}{Isa}.MultiplyAddAdjacent({Isa}.MultiplyAddAdjacent(m{k}, {signed}), {Ones});");
            }
        }
    }

    // q6 = w + 32: the sum of w · scale over both halves is that of q6 · scale less 32 · scale · Σx.
    private void HalfScaledBytes(int tokens)
    {
        code.Line($"var pairs = {V}.Load((int*)halfScales);");
        code.Line($"var first = (pairs & {V}.Create(0xFFFF) | {V}.ShiftLeft(pairs, 16)).AsInt16();");
        code.Line($"var second = ({V}.ShiftRightLogical(pairs, 16) | pairs & {V}.Create(unchecked((int)0xFFFF0000))).AsInt16();");
        for (var k = 0; k < 8; k++)
        {
            Weights(k);
            for (var u = 0; u < tokens; u++)
            {
                var (run, start) = (k / 2, k % 2 == 0);
                code.Line($"{(start ? "var " : "")}s{run}{u} = {(start ? "" : $"s{run}{u} + ")}{Isa}.MultiplyAddAdjacent(w{k}, {Four(u, k)});");
                if (start) continue;
                var product = $"{Isa}.MultiplyAddAdjacent(s{run}{u}, {(k < 4 ? "first" : "second")})";
                code.Line($"{(run == 0 ? "var " : "")}i{u} = {(run == 0 ? "" : $"i{u} + ")}{product};");
            }
        }
        for (var u = 0; u < tokens; u++)
            code.Line($"i{u} = i{u} - {V}.ShiftLeft({Isa}.MultiplyAddAdjacent(pairs.AsInt16(), {V}.Create(h[{u} * (stride / 4)]).AsInt16()), 5);");
    }

    private void SignedDots(int tokens)
    {
        for (var u = 0; u < tokens; u++)
            for (var half = 0; half < 2; half++)
                code.Line($"var x{half}{u} = Vector128.Load((sbyte*)(q + {u} * stride + {16 * half}));");
        var runs = format == WeightFormat.Q6_K ? 2 : 1;
        for (var k = 0; k < 8; k++)
        {
            for (var p = 0; p < 2; p++) code.Line($"var {Part($"w{k}", p)} = Vector128.Load((sbyte*)w + {k * 32 + p * 16});");
            for (var u = 0; u < tokens; u++)
                for (var p = 0; p < 2; p++)
                {
                    var name = Part($"{(runs == 2 ? $"s{k / 4}" : "i")}{u}", p);
                    var first = k == 0 || (runs == 2 && k == 4);
                    code.Line($"{(first ? "var " : "")}{name} = Dp.DotProductBySelectedQuadruplet({(first ? "Vector128<int>.Zero" : name)}, {Part($"w{k}", p)}, x{k / 4}{u}, {k % 4});");
                }
        }
        if (runs == 1) return;
        for (var p = 0; p < 2; p++)
        {
            code.Line($"var {Part("pairs", p)} = Vector128.Load((int*)halfScales + {4 * p});");
            code.Line($"var {Part("first", p)} = Vector128.ShiftRightArithmetic(Vector128.ShiftLeft({Part("pairs", p)}, 16), 16);");
            code.Line($"var {Part("second", p)} = Vector128.ShiftRightArithmetic({Part("pairs", p)}, 16);");
            for (var u = 0; u < tokens; u++)
                code.Line($"var {Part($"i{u}", p)} = {Part($"s0{u}", p)} * {Part("first", p)} + {Part($"s1{u}", p)} * {Part("second", p)};");
        }
    }
}
