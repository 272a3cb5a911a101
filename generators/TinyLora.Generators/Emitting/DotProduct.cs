using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>SDOT by element: four bytes of a register of activations against four rows, the input rows as they are.</summary>
internal sealed class DotProduct(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size) : PanelProduct(code, set, format, size)
{
    public override void OpenTile() => Code.Line("var tile = x + t * (nint)stride;");

    public override void Sums(int tokens)
    {
        Code.Line("var q = tile + b * 32;");
        Code.Line($"var e = tile + {Offsets.Multipliers} + b * 32;");
        Code.Line($"var d = (float*)(tile + {Offsets.Scales}) + b;");
        if (Format.HasMinimum()) Code.Line($"var m = (float*)(tile + {Offsets.ScaledSums}) + b;");
        if (Blocks.OffsetShift > 0) Code.Line($"var n = (int*)(tile + {Offsets.Sums}) + b;");
        if (Format == WeightFormat.Q6_K) Code.Line($"var halfScales = (byte*)((uint*)seconds + b * {R});");
        for (var u = 0; u < tokens; u++)
            for (var p = 0; p < 2; p++)
                Code.Line($"var {Part($"i{u}", p)} = {(Blocks.OffsetShift > 0 ? $"{V}.Create(-n[{u} * (stride / 4)] << {Blocks.OffsetShift})" : $"{V}<int>.Zero")};");
        Code.Open("for (var k = 0; k < 32; k += 16)");
        if (Format == WeightFormat.Q6_K)
            for (var p = 0; p < 2; p++)
                Code.Line($"var {Part("halfScale", p)} = Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(Vector128.Load((int*)halfScales + {4 * p}), 16 - k), 16);");
        for (var u = 0; u < tokens; u++)
        {
            Code.Line($"var x{u} = Vector128.Load((sbyte*)(q + {u} * stride + k));");
            Code.Line($"var m{u} = (short*)(e + {u} * stride + k);");
        }
        // Two steps of four to a small scale.
        for (var half = 0; half < 2; half++)
        {
            for (var step = 2 * half; step < 2 * half + 2; step++)
                for (var p = 0; p < 2; p++) Code.Line($"var {Part($"f{step}", p)} = Vector128.Load((sbyte*)w + (k + {4 * step}) * 8 + {16 * p});");
            for (var u = 0; u < tokens; u++)
                for (var p = 0; p < 2; p++)
                {
                    var (first, second) = (Part($"f{2 * half}", p), Part($"f{2 * half + 1}", p));
                    var sum = $"Dp.DotProductBySelectedQuadruplet(Dp.DotProductBySelectedQuadruplet(Vector128<int>.Zero, {first}, x{u}, {2 * half}), {second}, x{u}, {2 * half + 1})";
                    var scale = Format == WeightFormat.Q6_K ? $"({Part("halfScale", p)} * m{u}[{4 * half}])" : $"m{u}[{4 * half}]";
                    Code.Line($"{Part($"i{u}", p)} += {sum} * {scale};");
                }
        }
        Code.Close();
    }

    public override string Scale(int tokens, int token) => $"{V}.Create(d[{token} * (stride / 4)])";

    public override string ScaledSum(int tokens, int token) => $"{V}.Create(m[{token} * (stride / 4)])";

    private string Part(string name, int p) => Set.Part(name, p);
}
