using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using TinyLora.Generators.Emitting;
using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Tests.Emitting;

/// <summary>Kernels of one instruction set, emitted, compiled and loaded.</summary>
internal sealed unsafe class EmittedKernels
{
    private readonly Type _type;

    /// <param name="set">The instruction set.</param>
    /// <param name="kernels">Formats and widths.</param>
    /// <param name="standIn">A source in the kernels' namespace, whose classes go before those of the runtime.</param>
    public EmittedKernels(VectorSet set, IEnumerable<(WeightFormat Format, int Columns)> kernels, string? standIn = null)
    {
        var code = LinearEmitter.Header("Emitted");
        code.Open("public static unsafe class Kernels");
        foreach (var (format, columns) in kernels) LinearEmitter.Emit(code, set, format, new KernelSize(columns), $"{format}x{columns}");
        code.Close();
        string[] sources = standIn == null ? [code.ToString()] : [code.ToString(), standIn];
        var compilation = CSharpCompilation.Create("Emitted" + set.Name, sources.Select(source => CSharpSyntaxTree.ParseText(source)),
            ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, allowUnsafe: true));
        using var assembly = new MemoryStream();
        var result = compilation.Emit(assembly);
        Assert.True(result.Success, string.Join('\n', result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Take(5)));
        _type = Assembly.Load(assembly.ToArray()).GetType("Emitted.Kernels", throwOnError: true)!;
    }

    public void MultiplyVector(WeightFormat format, int columns, byte* weights, byte* x, float* y, int rows) =>
        ((delegate*<byte*, byte*, float*, int, int, void>)Pointer($"{format}x{columns}Vector"))(weights, x, y, 0, rows);

    public void MultiplyMatrix(WeightFormat format, int columns, byte* weights, byte* x, nint xStride, int count, float* y, nint yStride, int rows, byte* scratch) =>
        ((delegate*<byte*, byte*, nint, int, float*, nint, int, int, byte*, void>)Pointer($"{format}x{columns}Matrix"))(weights, x, xStride, count, y, yStride, 0, rows, scratch);

    private nint Pointer(string name) => _type.GetMethod(name)!.MethodHandle.GetFunctionPointer();
}
