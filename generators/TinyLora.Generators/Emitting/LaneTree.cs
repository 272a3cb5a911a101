using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Writes the one tree over the eight lanes of an output: ((0+4)+(2+6)) + ((1+5)+(3+7)).</summary>
internal static class LaneTree
{
    /// <summary>Stores the sum of one logical vector.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="set">One whose registers hold a logical vector or a part of one.</param>
    /// <param name="sum">The vector's name.</param>
    /// <param name="suffix">Tells this tree's names from others'.</param>
    /// <param name="output">A float.</param>
    public static void Store(SourceWriter code, VectorSet set, string sum, string suffix, string output)
    {
        var four = set.Parts == 1 ? $"{sum}.GetLower() + {sum}.GetUpper()" : $"{set.Part(sum, 0)} + {set.Part(sum, 1)}";
        code.Line($"var four{suffix} = {four};");
        code.Line($"var two{suffix} = four{suffix} + Vector128.Shuffle(four{suffix}, Vector128.Create(2, 3, 2, 3));");
        code.Line($"{output} = two{suffix}.ToScalar() + two{suffix}.GetElement(1);");
    }

    /// <summary>Stores the sums of four or eight rows, two in each register of 512 bits, by one tree.</summary>
    /// <param name="code">Where to.</param>
    /// <param name="sums">The names of two or four registers.</param>
    /// <param name="suffix">Tells this tree's names from others'.</param>
    /// <param name="output">A pointer to the floats.</param>
    public static void StoreRows(SourceWriter code, IReadOnlyList<string> sums, string suffix, string output)
    {
        var fours = Enumerable.Range(0, sums.Count / 2).Select(i => $"fours{i}{suffix}").ToArray();
        for (var i = 0; i < fours.Length; i++)
            code.Line($"var {fours[i]} = Avx512F.Shuffle4x128({sums[2 * i]}, {sums[2 * i + 1]}, 0x88) + Avx512F.Shuffle4x128({sums[2 * i]}, {sums[2 * i + 1]}, 0xDD);");
        // Two lanes of each row; of eight rows, those four apart beside each other.
        code.Line(fours.Length == 1
            ? $"var twos{suffix} = {fours[0]} + Avx512F.Permute4x32({fours[0]}, 0x4E);"
            : $"var twos{suffix} = Avx512F.UnpackLow({fours[0]}.AsDouble(), {fours[1]}.AsDouble()).AsSingle() + Avx512F.UnpackHigh({fours[0]}.AsDouble(), {fours[1]}.AsDouble()).AsSingle();");
        code.Line($"var ones{suffix} = Avx512F.PermuteVar16x32(twos{suffix} + Avx512F.Permute4x32(twos{suffix}, 0xB1), Vector512.Create(0, 4, 8, 12, 2, 6, 10, 14, 0, 0, 0, 0, 0, 0, 0, 0));");
        code.Line(fours.Length == 1 ? $"Vector128.Store(ones{suffix}.GetLower().GetLower(), {output});" : $"Vector256.Store(ones{suffix}.GetLower(), {output});");
    }
}
