using System.Text;
using TinyLora.Numerics;

namespace TinyLora.Tests.Adapters;

/// <summary>Writes the pickle of a dictionary of tensors as torch does, protocol 2; the i-th tensor has storage i to itself.</summary>
internal static class TorchPickle
{
    /// <summary>Opcodes, those that tensors need and others.</summary>
    public static byte[] Opcodes { get; } = [.. "(.0123FGIJKLMNPQRSTUVX]abcdegh}ijlopqrstu)"u8, 0x80, 0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8c, 0x93, 0x94, 0x95];

    private static readonly byte[] s_magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];

    /// <param name="tensors">Names, shapes and types.</param>
    /// <param name="isLegacy">With the pickles that stand around it in files before torch 1.6.</param>
    public static byte[] Tensors((string Name, long[] Shape, ElementType Type)[] tensors, bool isLegacy)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        if (isLegacy)
        {
            writer.Write(s_magic);
            // The version, 1001; the system, an empty dictionary.
            writer.Write([0x80, 2, (byte)'M', 0xe9, 3, (byte)'.', 0x80, 2, (byte)'}', (byte)'.']);
        }
        writer.Write([0x80, 2, (byte)'}', (byte)'q', 0, (byte)'(']);
        for (var i = 0; i < tensors.Length; i++)
        {
            var (name, shape, type) = tensors[i];
            Text(writer, "base_model.model." + name);
            writer.Write("ctorch._utils\n_rebuild_tensor_v2\n(("u8);
            Text(writer, "storage");
            writer.Write(Encoding.ASCII.GetBytes($"ctorch\n{(type == ElementType.F32 ? "Float" : type == ElementType.F16 ? "Half" : "BFloat16")}Storage\n"));
            Text(writer, $"{i}");
            Text(writer, "cpu");
            Number(writer, shape[0] * shape[1]);
            if (isLegacy) writer.Write('N');
            writer.Write("tQK\0"u8);
            Number(writer, shape[0]);
            Number(writer, shape[1]);
            writer.Write((byte)0x86);
            Number(writer, shape[1]);
            Number(writer, 1);
            writer.Write((byte)0x86);
            writer.Write((byte)0x89);
            writer.Write("ccollections\nOrderedDict\n)RtR"u8);
        }
        writer.Write("u."u8);
        if (isLegacy)
        {
            writer.Write([0x80, 2, (byte)']', (byte)'(']);
            for (var i = 0; i < tensors.Length; i++) Text(writer, $"{i}");
            writer.Write("e."u8);
        }
        return stream.ToArray();
    }

    private static void Text(BinaryWriter writer, string text)
    {
        writer.Write('X');
        writer.Write(text.Length);
        writer.Write(Encoding.ASCII.GetBytes(text));
    }

    private static void Number(BinaryWriter writer, long number)
    {
        writer.Write('J');
        writer.Write((int)number);
    }
}
