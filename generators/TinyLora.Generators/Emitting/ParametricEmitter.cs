using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Emitting;

/// <summary>The files of the kernels whose sizes are parameters: one for each instruction set.</summary>
internal static class ParametricEmitter
{
    private static readonly WeightFormat[] Formats = (WeightFormat[])Enum.GetValues(typeof(WeightFormat));

    public static (string HintName, string Source)[] Emit(string @namespace, string typeName) =>
        VectorSet.All.Select(set => ($"{@namespace}.{typeName}.{set.Name}.g.cs", Emit(@namespace, typeName, set))).ToArray();

    private static string Emit(string @namespace, string typeName, VectorSet set)
    {
        var code = LinearEmitter.Header(@namespace, $"Products whose sizes are parameters, for {set.Name}: any model, any rank.");
        code.Open($"static unsafe partial class {typeName}");
        code.Open($"public readonly struct {set.Name}Kernels : IModelKernels");

        code.Open("public static void MultiplyVector(int kernel, byte* weights, int columns, byte* x, float* y, int firstRow, int endRow)");
        code.Open("switch (~kernel)");
        foreach (var format in Formats) code.Line($"case {(int)format}: {format}Vector(weights, columns, x, y, firstRow, endRow); return;");
        code.Close().Close().Line();

        code.Open("public static void MultiplyMatrix(int kernel, byte* weights, int columns, byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)");
        code.Open("switch (~kernel)");
        foreach (var format in Formats) code.Line($"case {(int)format}: {format}Matrix(weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch); return;");
        code.Close().Close().Line();

        code.Open("public static void LoraUp(int type, byte* b, int rank, float* d, nint dStride, int count, float* y, nint yStride, int firstRow, int endRow)");
        code.Open("switch (type)");
        foreach (var format in Formats.Where(f => !f.IsQuantized())) code.Line($"case {(int)format}: LoraUp{format}(b, rank, d, dStride, count, y, yStride, firstRow, endRow); return;");
        code.Close().Close().Line();

        foreach (var format in Formats) LinearEmitter.Emit(code, set, format, KernelSize.Parameter, format.ToString());
        foreach (var format in Formats.Where(f => !f.IsQuantized())) new LoraUpEmitter(code, set, format, rank: 0).Emit("LoraUp" + format);
        code.Close().Close();
        return code.ToString();
    }
}
