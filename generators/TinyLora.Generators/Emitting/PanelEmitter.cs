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
    private readonly RowOffsets _offsets = new(size);
    private readonly PanelProduct _product = new(code, set, format);

    private int R => set.PanelRows;

    public void Emit(string name)
    {
        LinearEmitter.OpenKernel(code, $"public static void {name}(byte* weights, {(size.IsConstant ? "" : "int columns, ")}byte* x, nint xStride, int count, float* y, nint yStride, int firstRow, int endRow, byte* scratch)");
        var declare = size.IsConstant ? "const int" : "var";
        code.Line($"{declare} blocks = {size.Of(c => c / 32, "columns / 32")};");
        // A matrix may be larger than 2 GB.
        code.Line($"{(size.IsConstant ? "const nint" : "var")} rowBytes = {size.Of(c => c / format.BlockSize() * format.BlockBytes(), $"(nint)(columns / {format.BlockSize()}) * {format.BlockBytes()}")};");
        if (size.IsConstant) code.Line($"const int stride = {RowOffsets.Bytes(size.Columns)};");
        else
        {
            code.Line("var stride = xStride;");
            foreach (var line in RowOffsets.Prologue) code.Line(line);
        }
        foreach (var line in set.Narrow.Constants) code.Line(line);
        code.Line("var panel = scratch;");
        code.Line($"var scales = (float*)(panel + {R} * 32 * blocks);");
        // Minima, or for Q6_K the half blocks' small scales as pairs of 16 bits: four bytes a row and block either way.
        code.Line($"var seconds = scales + {R} * blocks;");
        code.Line($"var saved = seconds + {R} * blocks;");
        if (format.IsSuperBlock()) code.Line($"var flat = (byte*)(saved + {3 * TilePlan.Panel(set)[0] * R});");
        code.Open($"for (var r = firstRow; r < endRow; r += {R})");
        code.Line($"var rows = Math.Min({R}, endRow - r);");
        Unpack();
        code.Line("var t = 0;");
        foreach (var tokens in TilePlan.Panel(set))
        {
            code.Open($"for (; t + {tokens} <= count; t += {tokens})");
            Tile(tokens);
            code.Close();
        }
        code.Close();
        code.Close();
        code.Line();
    }

    // Eight rows at a time: the same block of each, turned so that a row is a lane.
    private void Unpack()
    {
        var narrow = set.Narrow;
        code.Open($"for (var i = 0; i < {R}; i += 8)");
        // Rows past the end repeat the last: their results fall on padding.
        if (format.IsSuperBlock()) UnpackSuperBlocks();
        else
            for (var j = 0; j < 8; j++) code.Line($"var row{j} = weights + (r + Math.Min(i{(j == 0 ? "" : $" + {j}")}, rows - 1)) * rowBytes;");
        code.Line($"var to = panel + 4 * i;");
        code.Open(format.IsSuperBlock() ? $"for (var b = 0; b < blocks; b++, to += {32 * R})" : $"for (nint b = 0, at = 0; b < blocks; b++, at += {format.BlockBytes()}, to += {32 * R})");
        if (format.IsSuperBlock())
            for (var j = 0; j < 8; j++)
                for (var p = 0; p < set.Parts; p++) code.Line($"var {set.Part("w" + j, p)} = {narrow.V}.Load(flat + b * 256 + {32 * j + 16 * p});");
        else
        {
            for (var j = 0; j < 8; j++) _blocks.Unpack(code, $"row{j} + at", 0, "w" + j);
        }
        narrow.Transpose(code, "w", "column");
        for (var k = 0; k < 8; k++)
            for (var p = 0; p < set.Parts; p++) code.Line($"{narrow.V}.Store({set.Part("column" + k, p)}.AsByte(), to + {4 * R * k + 16 * p});");
        if (!format.IsSuperBlock())
        {
            narrow.HalfScales(code, [.. Enumerable.Range(0, 8).Select(j => ($"row{j} + at", (string?)null))], format.HasMinimum());
            for (var p = 0; p < set.Parts; p++) code.Line($"{narrow.V}.Store({set.Part("scale", p)}, scales + b * {R} + i + {4 * p});");
            if (format.HasMinimum())
                for (var p = 0; p < set.Parts; p++) code.Line($"{narrow.V}.Store({set.Part("minimum", p)}, seconds + b * {R} + i + {4 * p});");
        }
        code.Close();
        code.Close();
    }

    // Eight blocks of a row share bytes: row by row to memory first.
    private void UnpackSuperBlocks()
    {
        code.Open("for (var j = 0; j < 8; j++)");
        code.Line("var group = weights + (r + Math.Min(i + j, rows - 1)) * rowBytes;");
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
        code.Line("var tile = x + t * (nint)stride;");
        // The next panel's rows lie behind these: each block asks for its share of them.
        if (set.Parts == 1) code.Line($"var ahead = weights + (r + {R}) * rowBytes;");
        code.Open("for (var step = 0; step < 8; step++)");
        foreach (var (u, p) in Sums(tokens)) code.Line($"var {Sum(u, p)} = {_product.V}<float>.Zero;");
        code.Open("for (var b = (step & 1) << 2 | (step & 2) | step >> 2; b < blocks; b += 8)");
        code.Line($"var w = panel + b * {R * 32};");
        code.Line("var q = tile + b * 32;");
        code.Line($"var e = tile + {_offsets.Multipliers} + b * 32;");
        code.Line($"var d = (float*)(tile + {_offsets.Scales}) + b;");
        if (format.HasMinimum()) code.Line($"var m = (float*)(tile + {_offsets.ScaledSums}) + b;");
        if (_blocks.OffsetShift > 0) code.Line($"var n = (int*)(tile + {_offsets.Sums}) + b;");
        if (format == WeightFormat.Q6_K)
        {
            code.Line($"var halfScales = (byte*)((uint*)seconds + b * {R});");
            if (set.UnsignedWeights) code.Line($"var h = (int*)(tile + {_offsets.HalfSums}) + 2 * b;");
        }
        if (set.Parts == 1)
        {
            var share = R * 32 / format.BlockSize() * format.BlockBytes();
            for (var line = 0; line < share; line += 64) code.Line($"Sse.Prefetch1(ahead{(line == 0 ? "" : $" + {line}")});");
            code.Line($"ahead += {share};");
        }
        _product.Emit(tokens);
        for (var p = 0; p < _product.Parts; p++)
        {
            code.Line($"var {Part("scale", p)} = {_product.V}.Load(scales + b * {R} + {p * _product.Lanes});");
            if (format.HasMinimum()) code.Line($"var {Part("minimum", p)} = {_product.V}.Load(seconds + b * {R} + {p * _product.Lanes});");
        }
        foreach (var (u, p) in Sums(tokens))
        {
            var sums = Part($"i{u}", p);
            if (_blocks.OffsetShift > 0) sums = $"({sums} - {_product.V}.Create(n[{u} * (stride / 4)] << {_blocks.OffsetShift}))";
            code.Line($"{Sum(u, p)} = {_product.Fma($"{_product.V}.ConvertToSingle({sums})", $"{Part("scale", p)} * {_product.V}.Create(d[{u} * (stride / 4)])", Sum(u, p))};");
            if (format.HasMinimum()) code.Line($"{Sum(u, p)} = {_product.Fma(Part("minimum", p), $"{_product.V}.Create(m[{u} * (stride / 4)])", Sum(u, p))};");
        }
        code.Close();
        Merge(tokens);
        code.Close();
    }

    // A binary counter: each finished lane joins the partial sums that the tree pairs it with.
    private void Merge(int tokens)
    {
        for (var level = 0; level < 3; level++)
        {
            code.Open($"if ((step & {1 << level}) == 0)");
            foreach (var (u, p) in Sums(tokens)) code.Line($"{_product.V}.Store({Sum(u, p)}, saved + {Slot(level, u, p)});");
            code.Line("continue;");
            code.Close();
            foreach (var (u, p) in Sums(tokens)) code.Line($"{Sum(u, p)} = {_product.V}.Load(saved + {Slot(level, u, p)}) + {Sum(u, p)};");
        }
        if (R == 16)
        {
            code.Open("if (rows <= 8)");
            for (var u = 0; u < tokens; u++) code.Line($"Vector256.Store({Sum(u, 0)}.GetLower(), y + (t + {u}) * yStride + r);");
            code.Line("continue;");
            code.Close();
        }
        foreach (var (u, p) in Sums(tokens)) code.Line($"{_product.V}.Store({Sum(u, p)}, y + (t + {u}) * yStride + r + {p * _product.Lanes});");
    }

    private int Slot(int level, int token, int part) => (level * TilePlan.Panel(set)[0] + token) * R + part * _product.Lanes;

    private IEnumerable<(int Token, int Part)> Sums(int tokens)
    {
        for (var u = 0; u < tokens; u++)
            for (var p = 0; p < _product.Parts; p++)
                yield return (u, p);
    }

    private string Sum(int token, int part) => Part($"a{token}", part);

    private string Part(string name, int part) => _product.Part(name, part);
}
