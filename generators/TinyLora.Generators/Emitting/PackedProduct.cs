using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Planning;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>
/// Products of bytes by x64's multiplications of pairs, each broadcast of activations against a register of rows. The input rows are packed tile by tile, so that all
/// of a block's numbers lie at constant distances from one pointer.
/// </summary>
/// <remarks>
/// Of unsigned weights the words of two groups of eight stand in turn, in the panel and in the packed rows: a 16-bit lane sums one group, and one more multiplication
/// applies the small scales of both. Four pairs, 8 · 31 · 127 at most, fit 16 bits; of six-bit weights two do. Signed bytes meet activations times small scale, both of 16 bits.
/// A packed block of n rows: q [n, 32 bytes], or m q [n, 32] int16 in the order 0 2 1 3 of each four; m of groups 0 and 1 [n] pairs, of 2 and 3 [n]; d [n] float32; and what
/// the format adds: d Σ m q [n] float32, or what its offset takes away [n] int32, with Q6_K for each half.
/// </remarks>
internal sealed class PackedProduct(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size) : PanelProduct(code, set, format, size)
{
    private readonly bool _signed = format == WeightFormat.Q8_0;
    // Nibbles of 16 weights and the next 16 share bytes in the panel too.
    private readonly bool _nibbles = format is WeightFormat.Q4_0 or WeightFormat.Q4_1;

    private string Isa => Set.Abreast == 2 ? "Avx512BW" : "Avx2";

    private int Seconds => Format == WeightFormat.Q6_K ? 2 : Format.HasMinimum() || Blocks.OffsetShift > 0 ? 1 : 0;

    // Of an input row's block.
    private int PackedBytes => _signed ? 68 : 44 + 4 * Seconds;

    private int ScaleAt => _signed ? 64 : 40;

    public override int RowBytes => _nibbles ? 16 : 32;

    public override void Constants()
    {
        base.Constants();
        if (_nibbles) Code.Line($"var nibbles = {V}.Create((byte)15);");
        var order = _signed ? "0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15" : "0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15";
        Code.Line($"var order = Vector256.Create(Vector128.Create((byte){order}), Vector128.Create((byte){order}));");
    }

    public override void Pack()
    {
        Code.Open("for (int t = 0, n; t < tokens; t += n)");
        Code.Line($"n = {string.Concat(TilePlan.Panel(Set).Where(n => n > 1).Select(n => $"tokens - t >= {n} ? {n} : "))}1;");
        Code.Open("for (var u = 0; u < n; u++)");
        Code.Line("var row = x + (t + u) * (nint)stride;");
        Code.Line($"var to = packed + t * (nint)(blocks * {PackedBytes});");
        Code.Open($"for (var b = 0; b < blocks; b++, to += n * {PackedBytes})");
        Code.Line("var q = row + b * 32;");
        Code.Line($"var m = row + {Offsets.Multipliers} + b * 32;");
        if (_signed)
        {
            Code.Line("var fours = Vector256.Load((long*)m);");
            foreach (var (half, pairs) in new[] { (0, "0x50"), (1, "0xFA") })
                Code.Line($"Vector256.Store(Avx2.Shuffle((Avx2.ConvertToVector256Int16(Vector128.Load((sbyte*)q + {16 * half})) * Avx2.Permute4x64(fours, {pairs}).AsInt16()).AsByte(), order), to + u * 64 + {32 * half});");
        }
        else
        {
            Code.Line("Vector256.Store(Avx2.Shuffle(Vector256.Load(q), order), to + u * 32);");
            // Each small scale stands there four times: at the borders two meet.
            Code.Line("*(int*)(to + n * 32 + u * 4) = *(int*)(m + 6);");
            Code.Line("*(int*)(to + n * 36 + u * 4) = *(int*)(m + 22);");
        }
        Code.Line($"*(int*)(to + n * {ScaleAt} + u * 4) = *(int*)(row + {Offsets.Scales} + b * 4);");
        if (Format.HasMinimum()) Code.Line($"*(int*)(to + n * {ScaleAt + 4} + u * 4) = *(int*)(row + {Offsets.ScaledSums} + b * 4);");
        if (Blocks.OffsetShift > 0) Code.Line($"*(int*)(to + n * {ScaleAt + 4} + u * 4) = -*(int*)(row + {Offsets.Sums} + b * 4) << {Blocks.OffsetShift};");
        if (Format == WeightFormat.Q6_K)
            for (var half = 0; half < 2; half++) Code.Line($"*(int*)(to + n * {ScaleAt + 4 + 4 * half} + u * 4) = -*(int*)(row + {Offsets.HalfSums} + b * 8 + {4 * half}) << 5;");
        Code.Close();
        Code.Close();
        Code.Close();
    }

    public override void Load(Func<int, string> row)
    {
        if (!_nibbles)
        {
            base.Load(row);
            return;
        }
        var bytes = Format.HasMinimum() ? 4 : 2;
        for (var j = 0; j < 4; j++) Code.Line($"var w{j} = Vector256.Create(Vector128.Load({row(j)} + {bytes}), Vector128.Load({row(j + 4)} + {bytes}));");
    }

    public override void Turn()
    {
        if (!_signed)
            for (var j = 0; j < (_nibbles ? 4 : 8); j++) Code.Line($"w{j} = Avx2.Shuffle(w{j}, order);");
        if (!_nibbles)
        {
            base.Turn();
            return;
        }
        AvxSet.TransposeFours(Code, "w", "column");
        for (var k = 0; k < 4; k++) Code.Line($"Vector256.Store(column{k}.AsByte(), to + {4 * R * k});");
    }

    public override void OpenTile() => Code.Line($"var tile = packed + t * (nint)(blocks * {PackedBytes});");

    public override void Sums(int tokens)
    {
        Code.Line($"var q = tile + b * {PackedBytes * tokens};");
        if (_signed) SignedBytes(tokens);
        else if (Format == WeightFormat.Q6_K) HalfScaledBytes(tokens);
        else UnsignedBytes(tokens);
    }

    public override string Scale(int tokens, int token) => $"{V}.Create(*(float*)(q + {ScaleAt * tokens + 4 * token}))";

    public override string ScaledSum(int tokens, int token) => $"{V}.Create(*(float*)(q + {(ScaleAt + 4) * tokens + 4 * token}))";

    private string Words(string at) => $"{V}.Create(*(int*)(q + {at})).AsInt16()";

    private string Bytes(int at) => $"{V}.Create(*(int*)(q + {at})).AsSByte()";

    // sum + pairs · scale, summed by twos.
    private string Accumulate(string? sum, string pairs, string scale) => Set.Name == "Avx2Vnni"
        ? $"AvxVnni.MultiplyWideningAndAdd({sum ?? Set.Zero}, {pairs}, {scale})"
        : (sum == null ? "" : sum + " + ") + $"{Isa}.MultiplyAddAdjacent({pairs}, {scale})";

    private string Pairs(int tokens, int token, int half, IEnumerable<int> columns) =>
        string.Join(" + ", columns.Select(k => $"{Isa}.MultiplyAddAdjacent(f{half}{k}, {Bytes(32 * token + 16 * half + 4 * k)})"));

    // Declares the weights of half a block, f{half}0 to 3.
    private void HalfColumns(int half)
    {
        for (var k = 0; k < 4; k++)
        {
            var at = $"w + {4 * R * (_nibbles ? k : 4 * half + k)}";
            Code.Line($"var f{half}{k} = {(!_nibbles ? $"{V}.Load({at})" : half == 0 ? $"{V}.Load({at}) & nibbles" : $"{V}.ShiftRightLogical({V}.Load((ushort*)({at})), 4).AsByte() & nibbles")};");
        }
    }

    private void UnsignedBytes(int tokens)
    {
        for (var half = 0; half < 2; half++)
        {
            HalfColumns(half);
            for (var u = 0; u < tokens; u++)
            {
                var sum = half == 1 ? $"i{u}" : Blocks.OffsetShift > 0 ? $"{V}.Create(*(int*)(q + {(ScaleAt + 4) * tokens + 4 * u}))" : null;
                Code.Line($"{(half == 0 ? "var " : "")}i{u} = {Accumulate(sum, Pairs(tokens, u, half, [0, 1, 2, 3]), Words($"{(32 + 4 * half) * tokens + 4 * u}"))};");
            }
        }
    }

    // q6 = w + 32: the sum of w · scale over both halves is that of q6 · scale less 32 · scale · Σ m q.
    private void HalfScaledBytes(int tokens)
    {
        Code.Line($"var pairs = {V}.Load((int*)seconds + b * {R});");
        Code.Line($"var scale0 = {V}.ShiftRightArithmetic({V}.ShiftLeft(pairs, 16), 16);");
        Code.Line($"var scale1 = {V}.ShiftRightArithmetic(pairs, 16);");
        for (var u = 0; u < tokens; u++)
            Code.Line($"var i{u} = {string.Join(" + ", Enumerable.Range(0, 2).Select(half => $"scale{half} * {V}.Create(*(int*)(q + {(ScaleAt + 4 + 4 * half) * tokens + 4 * u}))"))};");
        for (var half = 0; half < 2; half++)
        {
            HalfColumns(half);
            Code.Line($"var twice{half} = (scale{half} & {V}.Create(0xFFFF) | {V}.ShiftLeft(scale{half}, 16)).AsInt16();");
            for (var u = 0; u < tokens; u++)
            {
                Code.Line($"var m{half}{u} = twice{half} * {Words($"{(32 + 4 * half) * tokens + 4 * u}")};");
                foreach (var columns in new int[][] { [0, 1], [2, 3] })
                    Code.Line($"i{u} = {Accumulate($"i{u}", Pairs(tokens, u, half, columns), $"m{half}{u}")};");
            }
        }
    }

    // Bytes 0 and 2 of each four, and 1 and 3, as 16 bits.
    private void SignedBytes(int tokens)
    {
        for (var u = 0; u < tokens; u++) Code.Line($"var i{u} = {Set.Zero};");
        Code.Open("for (var k = 0; k < 8; k++)");
        Code.Line($"var f = {V}.Load((short*)(w + k * {4 * R}));");
        Code.Line($"var even = {V}.ShiftRightArithmetic({V}.ShiftLeft(f, 8), 8);");
        Code.Line($"var odd = {V}.ShiftRightArithmetic(f, 8);");
        for (var u = 0; u < tokens; u++)
        {
            Code.Line($"i{u} = {Accumulate($"i{u}", "even", Words($"{64 * u} + k * 8"))};");
            Code.Line($"i{u} = {Accumulate($"i{u}", "odd", Words($"{64 * u + 4} + k * 8"))};");
        }
        Code.Close();
    }
}
