using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Planning;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>
/// Writes mat-mat kernels of the integer formats: a panel of rows is unpacked once to [block][k / 4][row][4 bytes], so that one register holds a row a lane and
/// no sum crosses lanes; activations come as broadcasts of four bytes. The eight lanes of an output are finished in the order 0 4 2 6 1 5 3 7,
/// so that the tree needs three saved partial sums.
/// </summary>
internal sealed class PanelEmitter(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size)
{
    private readonly BlockFormat _blocks = new(format, set.Narrow);
    private readonly PanelProduct _product = PanelProduct.Of(code, set, format, size);

    private int R => set.PanelRows;

    // .NET has no prefetch for ARM.
    private bool Prefetches => set.Processor == Processor.X64;

    // Rows of one register of sums.
    private int Lanes => R / set.Parts;

    public void Emit(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* weights, {(size.IsConstant ? "" : "int columns, ")}byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)");
        var (declare, declareLong) = size.IsConstant ? ("const int", "const nint") : ("var", "var");
        code.Line($"{declare} blocks = {size.Of(c => c / 32, "columns / 32")};");
        // A matrix may be larger than 2 GB.
        code.Line($"{declareLong} rowBytes = {size.Of(c => c / format.BlockSize() * format.BlockBytes(), $"(nint)(columns / {format.BlockSize()}) * {format.BlockBytes()}")};");
        code.Line($"{declareLong} threeRows = 3 * rowBytes;");
        if (size.IsConstant) code.Line($"const int stride = {RowOffsets.Bytes(size.Columns)};");
        else
        {
            code.Line("var stride = xStride;");
            foreach (var line in RowOffsets.Prologue) code.Line(line);
        }
        _product.Constants();
        if (Prefetches)
        {
            code.Line("var lookahead = (Lookahead*)scratch;");
            code.Line("var soon = lookahead->At;");
            code.Line("var soonLines = lookahead->Lines;");
            code.Line("var nextSoon = lookahead->Next;");
        }
        code.Line("var panel = scratch + Lookahead.Bytes;");
        code.Line($"var scales = (float*)(panel + {R * _product.RowBytes} * blocks);");
        // Minima, or for Q6_K the half blocks' small scales as pairs of 16 bits: four bytes a row and block either way.
        code.Line($"var seconds = scales + {R} * blocks;");
        code.Line($"var saved = seconds + {R} * blocks;");
        code.Line($"var copy = (byte*)(saved + {3 * TilePlan.Panel(set)[0] * R});");
        code.Line($"var flat = copy + {R} * rowBytes;");
        code.Line($"var packed = flat + {(format.IsSuperBlock() ? "256 * blocks" : "0")};");
        // Only so many input rows at once that they stay near.
        code.Open($"for (; count > 0; count -= {TilePlan.PackedRows}, x += {TilePlan.PackedRows} * (nint)stride, y += {TilePlan.PackedRows} * yStride)");
        code.Line($"var tokens = Math.Min(count, {TilePlan.PackedRows});");
        _product.Pack();
        code.Open($"for (var r = firstRow; r < endRow; r += {R})");
        code.Line($"var rows = Math.Min({R}, endRow - r);");
        code.Line("var first = weights + r * rowBytes;");
        CompletePanel();
        Unpack();
        code.Line("var t = 0;");
        foreach (var tokens in TilePlan.Panel(set))
        {
            code.Open($"for (; t + {tokens} <= tokens; t += {tokens})");
            Tile(tokens);
            code.Close();
        }
        code.Close();
        code.Close();
        if (Prefetches)
        {
            code.Line("lookahead->At = soon;");
            code.Line("lookahead->Lines = soonLines;");
            code.Line("lookahead->Next = nextSoon;");
        }
        code.Close();
        code.Line();
    }

    // Fewer rows than a panel are copied with repeats of the last: what comes of those falls on padding.
    private void CompletePanel()
    {
        code.Open($"if (rows < {R})");
        code.Open($"for (var j = 0; j < {R}; j++)");
        code.Line("var from = first + Math.Min(j, rows - 1) * rowBytes;");
        code.Line("var to = copy + j * rowBytes;");
        code.Line("for (nint k = 0; k < rowBytes - 16; k += 16) Vector128.Store(Vector128.Load(from + k), to + k);");
        code.Line("Vector128.Store(Vector128.Load(from + rowBytes - 16), to + rowBytes - 16);");
        code.Close();
        code.Line("first = copy;");
        code.Close();
    }

    // Eight rows at a time: the same block of each, turned so that a row is a lane.
    private void Unpack()
    {
        var narrow = set.Narrow;
        code.Open($"for (var i = 0; i < {R}; i += 8)");
        if (format.IsSuperBlock()) UnpackSuperBlocks();
        else
        {
            code.Line("var row0 = first + i * rowBytes;");
            code.Line("var row4 = row0 + 4 * rowBytes;");
        }
        code.Line("var to = panel + 4 * i;");
        code.Open($"for (var b = 0; b < blocks; b++, to += {_product.RowBytes * R}{(format.IsSuperBlock() ? "" : $", row0 += {format.BlockBytes()}, row4 += {format.BlockBytes()}")})");
        if (format.IsSuperBlock())
            for (var j = 0; j < 8; j++)
                for (var p = 0; p < set.Parts; p++) code.Line($"var {set.Part("w" + j, p)} = {narrow.V}.Load(flat + b * 256 + {32 * j + 16 * p});");
        else _product.Load(Row);
        _product.Turn();
        if (!format.IsSuperBlock())
        {
            narrow.HalfScales(code, [.. Enumerable.Range(0, 8).Select(j => (Row(j), (string?)null))], format.HasMinimum());
            for (var p = 0; p < set.Parts; p++) code.Line($"{narrow.V}.Store({set.Part("scale", p)}, scales + b * {R} + i + {4 * p});");
            if (format.HasMinimum())
                for (var p = 0; p < set.Parts; p++) code.Line($"{narrow.V}.Store({set.Part("minimum", p)}, seconds + b * {R} + i + {4 * p});");
        }
        code.Close();
        code.Close();

        static string Row(int j) => $"row{j & 4}{(j & 3) switch { 0 => "", 1 => " + rowBytes", 2 => " + 2 * rowBytes", _ => " + threeRows" }}";
    }

    // Eight blocks of a row share bytes: row by row to memory first.
    private void UnpackSuperBlocks()
    {
        code.Open("for (var j = 0; j < 8; j++)");
        code.Line("var group = first + (i + j) * rowBytes;");
        code.Line($"var rowScales = scales + i + j;");
        code.Line($"var rowSeconds = seconds + i + j;");
        code.Open($"for (var b = 0; b < blocks; b += 8, group += {_blocks.GroupBytes}, rowScales += {8 * R}, rowSeconds += {8 * R})");
        code.Line("var rowFlat = flat + b * 256 + j * 32;");
        _blocks.UnpackShared(code, "group");
        for (var k = 0; k < 8; k++)
        {
            _blocks.Unpack(code, "group", k);
            for (var p = 0; p < set.Parts; p++) code.Line($"{set.Narrow.V}.Store({set.Part("w" + k, p)}.AsByte(), rowFlat + {256 * k + 16 * p});");
        }
        _blocks.Scales(code, "group", 8, _ => null);
        for (var k = 0; k < 8; k++)
        {
            var (part, lane) = (set.Parts * k / 8, k % (8 / set.Parts));
            code.Line($"rowScales[{k * R}] = {set.Part("scale", part)}.GetElement({lane});");
            if (format.HasMinimum()) code.Line($"rowSeconds[{k * R}] = {set.Part("minimum", part)}.GetElement({lane});");
            if (format == WeightFormat.Q6_K)
                code.Line($"((uint*)rowSeconds)[{k * R}] = (ushort)(short){BlockFormat.HalfScales("group", k)}[0] | (uint)(ushort)(short){BlockFormat.HalfScales("group", k)}[1] << 16;");
        }
        code.Close();
        code.Close();
    }

    private void Tile(int tokens)
    {
        _product.OpenTile();
        // The next panel's rows lie behind these: each block asks for its share of them.
        if (Prefetches) code.Line($"var ahead = weights + (r + {R}) * rowBytes;");
        code.Open("for (var step = 0; step < 8; step++)");
        foreach (var (u, p) in Sums(tokens)) code.Line($"var {Sum(u, p)} = {set.V}<float>.Zero;");
        code.Open("for (var b = (step & 1) << 2 | (step & 2) | step >> 2; b < blocks; b += 8)");
        code.Line($"var w = panel + b * {R * _product.RowBytes};");
        if (Prefetches) Prefetch();
        _product.Sums(tokens);
        for (var p = 0; p < set.Parts; p++)
        {
            code.Line($"var {set.Part("scale", p)} = {set.V}.Load(scales + b * {R} + {p * Lanes});");
            if (format.HasMinimum()) code.Line($"var {set.Part("minimum", p)} = {set.V}.Load(seconds + b * {R} + {p * Lanes});");
        }
        foreach (var (u, p) in Sums(tokens))
        {
            code.Line($"{Sum(u, p)} = {set.Fma($"{set.V}.ConvertToSingle({set.Part($"i{u}", p)})", $"{set.Part("scale", p)} * {_product.Scale(tokens, u)}", Sum(u, p))};");
            if (format.HasMinimum()) code.Line($"{Sum(u, p)} = {set.Fma(set.Part("minimum", p), _product.ScaledSum(tokens, u), Sum(u, p))};");
        }
        code.Close();
        Merge(tokens);
        code.Close();
    }

    private void Prefetch()
    {
        var share = R * 32 / format.BlockSize() * format.BlockBytes();
        for (var line = 0; line < share; line += 64) code.Line($"Sse.Prefetch0(ahead{(line == 0 ? "" : $" + {line}")});");
        code.Line($"ahead += {share};");
        // And for some of what the thread reads after this matrix.
        var lines = R / 2;
        code.Open("if (soonLines > 0)");
        for (var line = 0; line < lines; line++) code.Line($"Sse.Prefetch1(soon{(line == 0 ? "" : $" + {64 * line}")});");
        code.Line($"soon += {64 * lines};");
        code.Line($"soonLines -= {lines};");
        code.Open("if (soonLines <= 0)");
        code.Line("soon = (byte*)nextSoon[0];");
        code.Line("soonLines = nextSoon[1];");
        code.Line("nextSoon += 2;");
        code.Close();
        code.Close();
    }

    // A binary counter: each finished lane joins the partial sums that the tree pairs it with.
    private void Merge(int tokens)
    {
        for (var level = 0; level < 3; level++)
        {
            code.Open($"if ((step & {1 << level}) == 0)");
            foreach (var (u, p) in Sums(tokens)) code.Line($"{set.V}.Store({Sum(u, p)}, saved + {Slot(level, u, p)});");
            code.Line("continue;");
            code.Close();
            foreach (var (u, p) in Sums(tokens)) code.Line($"{Sum(u, p)} = {set.V}.Load(saved + {Slot(level, u, p)}) + {Sum(u, p)};");
        }
        if (R == 16)
        {
            code.Open("if (rows <= 8)");
            for (var u = 0; u < tokens; u++) code.Line($"Vector256.Store({Sum(u, 0)}.GetLower(), y + (t + {u}) * yStride + r);");
            code.Line("continue;");
            code.Close();
        }
        foreach (var (u, p) in Sums(tokens)) code.Line($"{set.V}.Store({Sum(u, p)}, y + (t + {u}) * yStride + r + {p * Lanes});");
    }

    private int Slot(int level, int token, int part) => (level * TilePlan.Panel(set)[0] + token) * R + part * Lanes;

    private IEnumerable<(int Token, int Part)> Sums(int tokens)
    {
        for (var u = 0; u < tokens; u++)
            for (var p = 0; p < set.Parts; p++)
                yield return (u, p);
    }

    private string Sum(int token, int part) => set.Part($"a{token}", part);
}
