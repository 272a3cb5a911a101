using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>
/// Writes the three methods of IModelKernels for one instruction set. Those of a set that a program may carry without needing it (<see cref="VectorSet.Level"/>)
/// call, where the program does, their own code as it was compiled for that set and linked under a name that says so: see TinyLora.Kernels.LinkedKernels.
/// </summary>
/// <param name="owner">The struct as the native compiler names it: assembly, namespace, types.</param>
internal sealed class KernelEntries(SourceWriter code, VectorSet set, string owner)
{
    private static readonly (string Name, string Parameters)[] Signatures =
    [
        ("MultiplyVector", "int kernel, byte* weights, int columns, byte* x, float* y, int firstRow, int endRow"),
        ("MultiplyMatrix", "int kernel, byte* weights, int columns, byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch"),
        ("LoraUp", "int type, byte* b, int rank, float* d, nint dStride, int count, float* y, nint yStride, int firstRow, int endRow"),
    ];

    /// <param name="body">Writes what the method of a name does with parameters of these names.</param>
    public void Emit(Action<string> body)
    {
        foreach (var (name, parameters) in Signatures)
        {
            // A symbol of its own is what the linker needs.
            if (set.Level != null) code.Line("[MethodImpl(MethodImplOptions.NoInlining)]");
            code.Open($"public static void {name}({parameters})");
            if (set.Level != null)
            {
                code.Open("if (LinkedKernels.IsEnabled)");
                code.Line($"Linked{Call(name)};");
                code.Line("return;");
                code.Close();
            }
            body(name);
            code.Close().Line();
            if (set.Level == null) continue;
            code.Line($"[DllImport(LinkedKernels.Library, EntryPoint = \"{set.Level}.{Symbol(owner)}__{name}\")]");
            code.Line($"private static extern void Linked{name}({parameters});").Line();
        }
    }

    /// <summary>A method's call with its own parameters.</summary>
    public static string Call(string name) =>
        $"{name}({string.Join(", ", Signatures.Single(signature => signature.Name == name).Parameters.Split([", "], StringSplitOptions.None).Select(parameter => parameter.Split(' ')[1]))})";

    // As the native compiler does: what is no ASCII letter or digit becomes a line.
    private static string Symbol(string name) => new([.. name.Select(c => c is (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '0' and <= '9') ? c : '_')]);
}
