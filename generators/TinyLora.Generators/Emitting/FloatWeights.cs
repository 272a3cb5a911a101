using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Loads of float weights, widened to float32.</summary>
internal static class FloatWeights
{
    /// <summary>One register of weights from index k: a part of eight, or eight of a row and of a second one beside them.</summary>
    public static string Load(VectorSet set, WeightFormat format, string pointer, string k, string second = "")
    {
        if (set.Abreast == 2) return Two(format, set, row => format == WeightFormat.F32 ? $"Vector256.Load((float*){row} + {k})" : $"Vector128.Load((short*){row} + {k})", pointer, second);
        if (format == WeightFormat.F32) return $"{set.V}.Load((float*){pointer} + {k})";
        var at = $"(short*){pointer} + {k}";
        return Widened(format, set, set.Parts == 1 ? $"Avx2.ConvertToVector256Int32({at})" : $"Vector128.WidenLower(Vector128.CreateScalar(*(long*)({at})).AsInt16())");
    }

    /// <summary>
    /// Declares last: the weights from index <paramref name="whole"/> to the row's end, then zeros, by a mask or one by one since a vector load would pass the
    /// end of the last row; calls <paramref name="use"/> for each part. Writes nothing for a width that is a multiple of 8.
    /// </summary>
    public static void Tail(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size, string pointer, string whole, Action<int> use, string second = "")
    {
        if (size.IsConstant && size.Columns % 8 == 0) return;
        code.Open(size.IsConstant ? "" : "if ((columns & 7) != 0)");
        if (set.HasMasks)
        {
            string Masked(string row) => format == WeightFormat.F32
                ? $"Avx512F.VL.MaskLoad((float*){row} + {whole}, {Mask(256, "", size)}.AsSingle(), Vector256<float>.Zero)"
                : $"Avx512BW.VL.MaskLoad((short*){row} + {whole}, {Mask(128, "(short)", size)}, Vector128<short>.Zero)";
            code.Line($"var last = {(set.Abreast == 2 ? Two(format, set, Masked, pointer, second)
                : format == WeightFormat.F32 ? Masked(pointer)
                : Widened(format, set, $"Avx2.ConvertToVector256Int32({Masked(pointer)})"))};");
            use(0);
        }
        else
        {
            var count = size.IsConstant ? size.Columns % 8 : 7;
            var lanes = Enumerable.Range(0, 8).Select(j =>
            {
                var weight = Scalar(format, pointer, $"{whole} + {j}");
                return j >= count ? "0f" : size.IsConstant ? weight : $"(columns & 7) > {j} ? {weight} : 0f";
            }).ToArray();
            for (var p = 0; p < set.Parts; p++)
            {
                code.Line($"var {set.Part("last", p)} = {set.V}.Create({string.Join(", ", lanes.Skip(p * 8 / set.Parts).Take(8 / set.Parts))});");
                use(p);
            }
        }
        code.Close();
    }

    // All bits of the lanes of the row's last columns.
    private static string Mask(int bits, string cast, KernelSize size) => size.IsConstant
        ? $"Vector{bits}.Create({string.Join(", ", Enumerable.Range(0, 8).Select(j => (j == 0 ? cast : "") + (j < size.Columns % 8 ? "-1" : "0")))})"
        : $"Vector{bits}.LessThan(Vector{bits}.Create({cast}0, 1, 2, 3, 4, 5, 6, 7), Vector{bits}.Create({cast}(columns & 7)))";

    private static string Two(WeightFormat format, VectorSet set, Func<string, string> load, string first, string second)
    {
        var both = $"{load(first)}.To{(format == WeightFormat.F32 ? "Vector512" : "Vector256")}Unsafe().WithUpper({load(second)})";
        return format == WeightFormat.F32 ? both : Widened(format, set, $"Avx512F.ConvertToVector512Int32({both})");
    }

    private static string Widened(WeightFormat format, VectorSet set, string ints) =>
        format == WeightFormat.F16 ? BlockFormat.HalfBits(set, ints) : $"{set.V}.ShiftLeft({ints}, 16).AsSingle()";

    /// <summary>One weight.</summary>
    public static string Scalar(WeightFormat format, string pointer, string k) => format switch
    {
        WeightFormat.F32 => $"((float*){pointer})[{k}]",
        WeightFormat.F16 => BlockFormat.ScalarHalf($"{pointer} + 2 * ({k})"),
        _ => $"BitConverter.Int32BitsToSingle(((ushort*){pointer})[{k}] << 16)",
    };
}
