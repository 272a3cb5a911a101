using System.Buffers.Binary;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>Writes a merged model as a GGUF file with the base's keys.</summary>
internal static class MergedGguf
{
    private const string FileTypeKey = "general.file_type";

    /// <param name="path">The file.</param>
    /// <param name="source">The base.</param>
    /// <param name="plan">What is written.</param>
    /// <param name="type">The type of all matrices, or null.</param>
    /// <param name="write">Writes the data of a tensor, by its number.</param>
    public static void Write(string path, GgufFile source, MergePlan plan, ElementType? type, Action<Stream, int> write)
    {
        var output = new GgufOutput(source.Alignment);
        var keys = source.ValueBytes;
        if (type is { } one && source.TypeOf(FileTypeKey) == GgufValueType.UInt32)
        {
            var changed = keys.ToArray();
            BinaryPrimitives.WriteUInt32LittleEndian(changed.AsSpan((int)source.PlaceOf(FileTypeKey)), FileType(one));
            keys = changed;
        }
        output.Keys(keys, source.Keys.Count);
        foreach (var tensor in plan.Tensors) output.Tensor(tensor.Name, tensor.Shape, tensor.TypeName, tensor.Bytes);
        using var stream = new FileStream(path, FileMode.Create, FileAccess.Write);
        output.Write(stream, write);
    }

    /// <summary>The number by which llama.cpp names a file of mostly this type; it only shows it.</summary>
    private static uint FileType(ElementType type) => type switch
    {
        ElementType.F32 => 0,
        ElementType.F16 => 1,
        ElementType.Q4_0 => 2,
        ElementType.Q4_1 => 3,
        ElementType.Q8_0 => 7,
        ElementType.Q5_0 => 8,
        ElementType.Q5_1 => 9,
        ElementType.Q4_K => 14,
        ElementType.Q5_K => 16,
        ElementType.Q6_K => 18,
        ElementType.BF16 => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "This is no element type."),
    };
}
