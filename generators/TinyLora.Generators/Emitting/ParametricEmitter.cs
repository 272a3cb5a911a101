using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Emitting;

/// <summary>The files of the kernels whose sizes are parameters: one for each instruction set.</summary>
internal static class ParametricEmitter
{
    private static readonly WeightFormat[] Formats = (WeightFormat[])Enum.GetValues(typeof(WeightFormat));

    public static (string HintName, string Source)[] Emit(string assembly, string @namespace, string typeName) =>
        VectorSet.All.Select(set => ($"{@namespace}.{typeName}.{set.Name}.g.cs", Emit(assembly, @namespace, typeName, set))).ToArray();

    private static string Emit(string assembly, string @namespace, string typeName, VectorSet set)
    {
        var code = LinearEmitter.Header(@namespace, $"Products whose sizes are parameters, for {set.Name}: any model, any rank.");
        code.Open($"static unsafe partial class {typeName}");
        code.Open($"public readonly struct {set.Name}Kernels : IModelKernels");

        new KernelEntries(code, set, $"{assembly}.{@namespace}.{typeName}.{set.Name}Kernels").Emit(method =>
        {
            code.Open(method == "LoraUp" ? "switch (type)" : "switch (~kernel)");
            foreach (var format in Formats)
                switch (method)
                {
                    case "MultiplyVector": code.Line($"case {(int)format}: {format}Vector(weights, columns, x, y, firstRow, endRow); return;"); break;
                    case "MultiplyMatrix": code.Line($"case {(int)format}: {format}Matrix(weights, columns, x, xStride, count, y, yStride, firstRow, endRow, scratch); return;"); break;
                    default: if (!format.IsQuantized()) code.Line($"case {(int)format}: LoraUp{format}(b, rank, d, dStride, count, y, yStride, firstRow, endRow); return;"); break;
                }
            code.Close();
        });

        foreach (var format in Formats) LinearEmitter.Emit(code, set, format, KernelSize.Parameter, format.ToString());
        foreach (var format in Formats.Where(f => !f.IsQuantized())) new LoraUpEmitter(code, set, format, rank: 0).Emit("LoraUp" + format);
        code.Close().Close();
        return code.ToString();
    }
}
