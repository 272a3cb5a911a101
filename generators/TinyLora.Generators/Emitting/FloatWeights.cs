using TinyLora.Generators.InstructionSets;
using TinyLora.Generators.Specs;
using TinyLora.Generators.Text;

namespace TinyLora.Generators.Emitting;

/// <summary>Loads of float weights, widened to float32.</summary>
internal static class FloatWeights
{
    /// <summary>One part of eight weights from index k.</summary>
    public static string Load(VectorSet set, WeightFormat format, string pointer, string k)
    {
        if (format == WeightFormat.F32) return $"{set.V}.Load((float*){pointer} + {k})";
        var at = $"(short*){pointer} + {k}";
        var ints = set.Parts == 1
            ? $"Avx2.ConvertToVector256Int32({at})"
            : $"Vector128.WidenLower(Vector128.CreateScalar(*(long*)({at})).AsInt16())";
        return format == WeightFormat.F16 ? BlockFormat.HalfBits(set, ints) : $"{set.V}.ShiftLeft({ints}, 16).AsSingle()";
    }

    /// <summary>
    /// Declares last: the weights from index <paramref name="whole"/> to the row's end, then zeros, read one by one since a vector load would pass the end of
    /// the last row; calls <paramref name="use"/> for each part. Writes nothing for a width that is a multiple of 8.
    /// </summary>
    public static void Tail(SourceWriter code, VectorSet set, WeightFormat format, KernelSize size, string pointer, string whole, Action<int> use)
    {
        if (size.IsConstant && size.Columns % 8 == 0) return;
        var count = size.IsConstant ? size.Columns % 8 : 7;
        var lanes = Enumerable.Range(0, 8).Select(j =>
        {
            var weight = Scalar(format, pointer, $"{whole} + {j}");
            return j >= count ? "0f" : size.IsConstant ? weight : $"(columns & 7) > {j} ? {weight} : 0f";
        }).ToArray();
        code.Open(size.IsConstant ? "" : "if ((columns & 7) != 0)");
        for (var p = 0; p < set.Parts; p++)
        {
            code.Line($"var {set.Part("last", p)} = {set.V}.Create({string.Join(", ", lanes.Skip(p * 8 / set.Parts).Take(8 / set.Parts))});");
            use(p);
        }
        code.Close();
    }

    /// <summary>One weight.</summary>
    public static string Scalar(WeightFormat format, string pointer, string k) => format switch
    {
        WeightFormat.F32 => $"((float*){pointer})[{k}]",
        WeightFormat.F16 => BlockFormat.ScalarHalf($"{pointer} + 2 * ({k})"),
        _ => $"BitConverter.Int32BitsToSingle(((ushort*){pointer})[{k}] << 16)",
    };
}
