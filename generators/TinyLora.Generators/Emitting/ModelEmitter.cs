using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>
/// The files of a declared model: one for each width and format of its matrices and of the A that adapters bring, one for each rank, and one that puts
/// them together. A kernel serves all matrices of its width and format: rows are a range that it is given, a width is a constant that it is made for.
/// </summary>
internal static class ModelEmitter
{
    private static readonly WeightFormat[] AdapterFormats = [WeightFormat.F32, WeightFormat.F16];

    /// <param name="sets">The instruction sets that the build can use.</param>
    public static (string HintName, string Source)[] Emit(ModelSpec spec, IReadOnlyList<VectorSet> sets) =>
    [
        (spec.HintName + ".g.cs", Class(spec, sets)),
        .. Widths(spec).Select(width => Kernels(spec, sets, width.Name, width.Comment, (code, set) =>
            LinearEmitter.Emit(code, set, width.Format, new KernelSize(width.Columns), width.Name))),
        .. spec.Ranks.Select(rank => Kernels(spec, sets, $"LoraUp{rank}",
            $"y += B d for B [rows, {rank}].",
            (code, set) =>
            {
                foreach (var format in AdapterFormats) new LoraUpEmitter(code, set, format, rank).Emit($"LoraUp{rank}{format}");
            })),
    ];

    /// <summary>The kernels in the order of their numbers: those of the model's matrices, then those of A that are not among them.</summary>
    private static IReadOnlyList<(string Name, int Columns, WeightFormat Format, string Comment)> Widths(ModelSpec spec)
    {
        var widths = spec.Linears
            .GroupBy(linear => (linear.Columns, linear.Format))
            .Select(group => ($"Linear{group.Key.Columns}{group.Key.Format}", group.Key.Columns, group.Key.Format,
                "W x for " + string.Join("; ", group.Select(linear => $"{linear.Rows}x{linear.Columns} {linear.Format}: {string.Join(", ", linear.Roles)}"))))
            .ToList();
        if (spec.Ranks.Count == 0) return widths;
        foreach (var columns in new[] { spec.Shape.HiddenSize, spec.Shape.QuerySize, spec.Shape.IntermediateSize }.Distinct())
            foreach (var format in AdapterFormats)
                if (!widths.Any(width => width.Columns == columns && width.Format == format))
                    widths.Add(($"LoraDown{columns}{format}", columns, format, $"A x for A [rank, {columns}] in {format}."));
        return widths;
    }

    private static (string, string) Kernels(ModelSpec spec, IReadOnlyList<VectorSet> sets, string name, string comment, Action<SourceWriter, VectorSet> emit)
    {
        var code = LinearEmitter.Header(spec.Namespace, comment);
        code.Open($"partial class {spec.TypeName}");
        foreach (var set in sets)
        {
            code.Open($"private readonly unsafe partial struct {set.Name}Kernels");
            emit(code, set);
            code.Close().Line();
        }
        code.Close();
        return ($"{spec.HintName}.{name}.g.cs", code.ToString());
    }

    private static string Class(ModelSpec spec, IReadOnlyList<VectorSet> sets)
    {
        var shape = spec.Shape;
        var code = LinearEmitter.Header(spec.Namespace, [
            $"{spec.ModelName}: {shape.Architecture}, {shape.LayerCount} layers, hidden {shape.HiddenSize}, intermediate {shape.IntermediateSize}, "
                + $"{shape.HeadCount} heads over {shape.KeyValueHeadCount}, head {shape.HeadSize}, vocabulary {shape.VocabularySize}.",
            .. Widths(spec).Select((width, i) => $"kernel {i}: {width.Name}: {width.Comment}"),
            .. sets.Where(set => set.PanelRows > 0).Select(set =>
                $"{set.Name}: panels of {set.PanelRows} rows by {string.Join(", ", Planning.TilePlan.Panel(set))} tokens; float tiles of {Planning.TilePlan.Float(set).Rows} rows by {string.Join(", ", Planning.TilePlan.Float(set).Inputs)} tokens"),
            $"ranks with kernels of their own: {(spec.Ranks.Count == 0 ? "none" : string.Join(", ", spec.Ranks))}"]);
        code.Line("#nullable enable annotations");
        code.Line($"/// <summary>{spec.ModelName} with kernels generated for its shapes.</summary>");
        code.Open($"partial class {spec.TypeName} : global::TinyLora.Inference.Model");
        code.Open($"private {spec.TypeName}(string path, global::TinyLora.Inference.ModelOptions? options) : base(path, options, Declared)").Close().Line();
        code.Line("/// <summary>Opens a file or folder of the declared model.</summary>");
        code.Line("/// <exception cref=\"global::TinyLora.Errors.ModelMismatchException\">It holds another model: every difference is listed.</exception>");
        code.Line($"public static new {spec.TypeName} Open(string path, global::TinyLora.Inference.ModelOptions? options = null) => new(path, options);").Line();
        Declaration(code, spec);
        KernelNumbers(code, spec);
        Run(code, sets);
        foreach (var set in sets) Dispatch(code, spec, set);
        code.Close();
        return code.ToString();
    }

    private static void Declaration(SourceWriter code, ModelSpec spec)
    {
        var shape = spec.Shape;
        code.Open("private static readonly global::TinyLora.Inference.ModelDeclaration Declared = new()");
        code.Line($"ClassName = {Literal.Of(spec.TypeName)},");
        code.Line($"Architecture = {Literal.Of(shape.Architecture)},");
        foreach (var (name, value) in new[]
        {
            ("HiddenSize", shape.HiddenSize), ("IntermediateSize", shape.IntermediateSize), ("LayerCount", shape.LayerCount), ("HeadCount", shape.HeadCount),
            ("KeyValueHeadCount", shape.KeyValueHeadCount), ("HeadSize", shape.HeadSize), ("VocabularySize", shape.VocabularySize),
        }) code.Line($"{name} = {value},");
        code.Line($"Embedding = {Type(spec.Formats.Embedding)},");
        code.Line($"Head = {Type(spec.Formats.Head)},");
        code.Line("// query, key, value, output, gate, up, down of each layer");
        code.Line("Layers =").Line("[").Indent();
        foreach (var layer in spec.Formats.Layers)
            code.Line($"[{string.Join(", ", Enumerable.Range(0, 7).Select(role => Type(layer[(LinearRole)role])))}],");
        code.Outdent().Line("],");
        code.Close(";").Line();
    }

    private static string Type(WeightFormat format) => "global::TinyLora.Numerics.ElementType." + format;

    private static void KernelNumbers(SourceWriter code, ModelSpec spec)
    {
        code.Line("/// <inheritdoc/>");
        code.Open("protected override int FindKernel(global::TinyLora.Numerics.ElementType type, int rows, int columns) => (type, rows, columns) switch");
        var number = 0;
        foreach (var width in Widths(spec)) code.Line($"({Type(width.Format)}, _, {width.Columns}) => {number++},");
        code.Line("_ => ~(int)type,");
        code.Close(";").Line();
    }

    private static void Run(SourceWriter code, IReadOnlyList<VectorSet> sets)
    {
        code.Line("/// <inheritdoc/>");
        code.Open("protected override void Run(int worker)");
        code.Line("var set = InstructionSet;");
        // The tests of IsSupported are constants: what this build cannot use is left out of it.
        foreach (var set in sets)
            code.Line($"{(set == sets[0] ? "" : "else ")}if ({Guard(set)}set == global::TinyLora.Kernels.InstructionSet.{set.Name}) Run<{set.Name}Kernels>(worker);");
        code.Line("else Run<ScalarKernels>(worker);");
        code.Close().Line();
    }

    public static string Guard(VectorSet set) => set.Name switch
    {
        "Vector128" => "",
        "Neon" => "AdvSimd.Arm64.IsSupported && ",
        "NeonDot" => "Dp.IsSupported && ",
        "Avx2" => "(Avx2.IsSupported && Fma.IsSupported || LinkedKernels.IsEnabled) && ",
        "Avx2Vnni" => "(AvxVnni.IsSupported || LinkedKernels.IsEnabled) && ",
        _ => "(Avx512BW.IsSupported && Avx512DQ.IsSupported || LinkedKernels.IsEnabled) && ",
    };

    private static void Dispatch(SourceWriter code, ModelSpec spec, VectorSet set)
    {
        code.Open($"private readonly unsafe partial struct {set.Name}Kernels : IModelKernels");
        var names = Widths(spec).Select(width => width.Name).ToArray();
        new KernelEntries(code, set, $"{spec.Assembly}.{spec.HintName}.{set.Name}Kernels").Emit(method =>
        {
            code.Open(method == "LoraUp" ? "switch ((type, rank))" : "switch (kernel)");
            if (method == "LoraUp")
                foreach (var rank in spec.Ranks)
                    foreach (var format in AdapterFormats)
                        code.Line($"case ({(int)format}, {rank}): LoraUp{rank}{format}(b, d, dStride, count, y, yStride, firstRow, endRow); return;");
            for (var i = 0; i < names.Length; i++)
            {
                if (method == "MultiplyVector") code.Line($"case {i}: {names[i]}Vector(weights, x, y, firstRow, endRow); return;");
                if (method == "MultiplyMatrix") code.Line($"case {i}: {names[i]}Matrix(weights, x, xStride, count, y, yStride, firstRow, endRow, scratch); return;");
            }
            code.Line($"default: ParametricKernels.{set.Name}Kernels.{KernelEntries.Call(method)}; return;");
            code.Close();
        });
        code.Close().Line();
    }
}
