using System.Text;

namespace TinyLora.PeerBench;

/// <summary>The few facts of a GGUF model's header that an adapter must fit: architecture, heads and the tensors' sizes.</summary>
internal sealed class GgufHeader
{
    private const uint StringType = 8, ArrayType = 9;
    /// <summary>Bytes of each scalar type of GGUF metadata, by its number: u8 i8 u16 i16 u32 i32 f32 bool, -, -, u64 i64 f64.</summary>
    private static readonly int[] ScalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

    private readonly Dictionary<string, object> _metadata = [];

    /// <summary>Sizes of each tensor by name, the fastest changing first.</summary>
    public Dictionary<string, long[]> Tensors { get; } = [];

    public string Architecture => (string)_metadata["general.architecture"];
    public int LayerCount => Number("block_count");
    public int HeadCount => Number("attention.head_count");
    public int KeyValueHeadCount => _metadata.ContainsKey($"{Architecture}.attention.head_count_kv") ? Number("attention.head_count_kv") : HeadCount;

    /// <exception cref="InvalidDataException">Not a GGUF file of version 2 or 3.</exception>
    public static GgufHeader Read(string path)
    {
        using var reader = new BinaryReader(File.OpenRead(path));
        if (reader.ReadUInt32() != 0x46554747 || reader.ReadUInt32() is not (2 or 3))
            throw new InvalidDataException($"{path}: not a GGUF file of version 2 or 3");
        long tensorCount = reader.ReadInt64();
        long metadataCount = reader.ReadInt64();
        var header = new GgufHeader();
        for (long i = 0; i < metadataCount; i++)
        {
            var key = ReadString(reader);
            if (ReadValue(reader, reader.ReadUInt32()) is { } value)
                header._metadata[key] = value;
        }
        for (long i = 0; i < tensorCount; i++)
        {
            var name = ReadString(reader);
            var sizes = new long[reader.ReadUInt32()];
            for (int axis = 0; axis < sizes.Length; axis++)
                sizes[axis] = reader.ReadInt64();
            reader.BaseStream.Position += sizeof(uint) + sizeof(long);
            header.Tensors[name] = sizes;
        }
        return header;
    }

    private int Number(string key) => Convert.ToInt32(_metadata[$"{Architecture}.{key}"], System.Globalization.CultureInfo.InvariantCulture);

    private static string ReadString(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes(checked((int)reader.ReadInt64())));

    /// <summary>Reads a value; of an array, which nothing here needs, only its end.</summary>
    private static object? ReadValue(BinaryReader reader, uint type)
    {
        switch (type)
        {
            case StringType:
                return ReadString(reader);
            case ArrayType:
                uint elementType = reader.ReadUInt32();
                long count = reader.ReadInt64();
                for (long i = 0; i < count; i++)
                    ReadValue(reader, elementType);
                return null;
            case 4:
                return reader.ReadUInt32();
            case 5:
                return reader.ReadInt32();
            default:
                reader.BaseStream.Position += ScalarBytes[type];
                return null;
        }
    }
}
