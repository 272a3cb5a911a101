using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Writes how two blocks of 32 weights become one register of 512 bits.</summary>
internal sealed class BlockPair(SourceWriter code, WeightFormat format)
{
    /// <summary>Declares what several pairs of the group share.</summary>
    public void UnpackShared(string group)
    {
        if (format == WeightFormat.Q5_K) code.Line($"var fifth = {Twice($"{group} + 16")};");
    }

    /// <summary>Declares w{j}: the weights of blocks j, which is even, and j + 1.</summary>
    /// <param name="group">The group, of whose bytes blocks of K formats share theirs.</param>
    /// <param name="j">The first block.</param>
    /// <param name="first">Its address, in a format whose blocks have their own.</param>
    /// <param name="second">The second one's.</param>
    public void Unpack(string group, int j, string first, string second) => code.Line($"var w{j} = {Weights(group, j, first, second)};");

    private string Weights(string group, int j, string first, string second)
    {
        var header = format.BlockBytes() - 16;
        switch (format)
        {
            case WeightFormat.Q8_0:
                return Beside($"Vector256.Load({first} + 2)", $"Vector256.Load({second} + 2)");
            case WeightFormat.Q4_0 or WeightFormat.Q4_1:
                return Nibbles($"{first} + {header}", $"{second} + {header}");
            case WeightFormat.Q5_0 or WeightFormat.Q5_1:
                var fifths = Beside($"Vector256.Create(*(uint*)({first} + {header - 4}))", $"Vector256.Create(*(uint*)({second} + {header - 4}))");
                code.Line($"var low{j} = {Nibbles($"{first} + {header}", $"{second} + {header}")};");
                return $"Vector512.ConditionalSelect(Vector512.Equals(Avx512BW.Shuffle({fifths}.AsByte(), spread) & bits, bits), low{j} + sixteen, low{j})";
            // The low nibbles of 32 bytes are one block, the high ones the next.
            case WeightFormat.Q4_K or WeightFormat.Q5_K:
                var nibbles = $"{Shift(Twice($"{group} + {format.BlockBytes() - 128 + 16 * j}"), 0, -4)} & lowNibbles";
                return format == WeightFormat.Q4_K ? nibbles : $"({nibbles}) | ({Shift("fifth", 4 - j, 3 - j)} & sixteen)";
            // The low nibbles of 64 bytes are two blocks, the high ones the next two; 32 bytes hold the upper bits of all four.
            default:
                var low = $"Vector512.Load({group} + {64 * (j / 4)})";
                if (j % 4 != 0) low = $"Vector512.ShiftRightLogical({low}.AsUInt16(), 4).AsByte()";
                return $"({low} & lowNibbles) | ({Shift(Twice($"{group} + {128 + 32 * (j / 4)}"), 4 - 2 * (j % 4), 2 - 2 * (j % 4))} & Vector512.Create((byte)48))";
        }
    }

    private static string Nibbles(string first, string second) =>
        $"Avx512F.ShiftRightLogicalVariable({Beside($"Avx2.BroadcastVector128ToVector256({first})", $"Avx2.BroadcastVector128ToVector256({second})")}.AsUInt64(), nibbleShifts).AsByte() & lowNibbles";

    // The halves shifted left, each by its own number of bits; what crosses a byte's border is masked away by the caller.
    private static string Shift(string bytes, int first, int second)
    {
        var by = first > 0 ? "LeftLogical" : "RightLogical";
        // All eight numbers: of a constant that is put together from halves .NET 10 makes two instructions in the loop.
        var (a, b) = ($"{Math.Abs(first)}UL", $"{Math.Abs(second)}UL");
        return $"Avx512F.Shift{by}Variable({bytes}.AsUInt64(), Vector512.Create({a}, {a}, {a}, {a}, {b}, {b}, {b}, {b})).AsByte()";
    }

    private static string Beside(string first, string second) => $"{first}.ToVector512Unsafe().WithUpper({second})";

    // Not Avx512F's broadcast of four quadwords, whose address .NET 10 encodes wrongly.
    private static string Twice(string p) => $"Avx512DQ.BroadcastVector256ToVector512((int*)({p})).AsByte()";
}
