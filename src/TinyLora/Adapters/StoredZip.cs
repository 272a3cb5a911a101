using System.Buffers.Binary;
using System.Text;
using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Adapters;

/// <summary>A zip archive whose files are stored and not compressed, as torch writes it (PKWARE APPNOTE.TXT 4.3).</summary>
internal sealed unsafe class StoredZip
{
    private const uint EndSignature = 0x06054b50, EntrySignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndBytes = 22, EntryBytes = 46, LocalBytes = 30, MaxCommentBytes = 65535;

    private readonly MappedFile _file;

    private StoredZip(MappedFile file) => _file = file;

    /// <summary>First byte and bytes of each file, by name.</summary>
    public Dictionary<string, (long Offset, long Bytes)> Entries { get; } = new(StringComparer.Ordinal);

    public static bool IsZip(ReadOnlySpan<byte> start) => start.StartsWith("PK\u0003\u0004"u8);

    /// <exception cref="InvalidDataException">It is no zip archive, damaged, compressed, or above 4 GiB.</exception>
    public static StoredZip Read(MappedFile file)
    {
        var zip = new StoredZip(file);
        var end = zip.FindEnd();
        var count = zip.UInt16(end + 10);
        long bytes = zip.UInt32(end + 12), at = zip.UInt32(end + 16);
        if (count == ushort.MaxValue || at == uint.MaxValue) Throw.NotSupported(file.Path, "a zip archive above 4 GiB (zip64)");
        if (at > end || bytes > end - at) Throw.BadFile(file.Path, "zip directory", $"{bytes} bytes at {at}", $"inside the {end} before its end");
        var limit = at + bytes;
        for (var i = 0; i < count; i++) at = zip.ReadEntry(at, limit);
        return zip;
    }

    private long FindEnd()
    {
        for (var at = _file.Length - EndBytes; at >= 0 && at >= _file.Length - EndBytes - MaxCommentBytes; at--)
            if (UInt32(at) == EndSignature) return at;
        Throw.BadFile(_file.Path, "zip archive", "no end of the directory", "one");
        return -1;
    }

    private long ReadEntry(long at, long limit)
    {
        if (limit - at < EntryBytes || UInt32(at) != EntrySignature) Throw.BadFile(_file.Path, $"zip directory at byte {at}", "no entry", "one");
        var method = UInt16(at + 10);
        long stored = UInt32(at + 20), size = UInt32(at + 24), local = UInt32(at + 42);
        int nameBytes = UInt16(at + 28), extraBytes = UInt16(at + 30), commentBytes = UInt16(at + 32);
        var next = at + EntryBytes + nameBytes + extraBytes + commentBytes;
        if (next > limit) Throw.BadFile(_file.Path, $"zip directory at byte {at}", "an entry that is cut off", "a whole one");
        var name = Encoding.UTF8.GetString(new ReadOnlySpan<byte>(_file.Pointer + at + EntryBytes, nameBytes));
        if (method != 0 || stored != size) Throw.NotSupported(_file.Path, $"{name}: a compressed file in a zip archive");
        if (size == uint.MaxValue || local == uint.MaxValue) Throw.NotSupported(_file.Path, $"{name}: a zip entry above 4 GiB (zip64)");
        if (local > _file.Length - LocalBytes || UInt32(local) != LocalSignature) Throw.BadFile(_file.Path, name, $"no zip header at {local}", "one");
        var data = local + LocalBytes + UInt16(local + 26) + UInt16(local + 28);
        if (data > _file.Length || size > _file.Length - data) Throw.BadFile(_file.Path, name, $"{size} bytes at {data}", $"inside the file's {_file.Length}");
        if (!Entries.TryAdd(name, (data, size))) Throw.BadFile(_file.Path, name, "the file twice in the zip archive", "once");
        return next;
    }

    private ushort UInt16(long at) => BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(_file.Pointer + at, sizeof(ushort)));

    private uint UInt32(long at) => BinaryPrimitives.ReadUInt32LittleEndian(new ReadOnlySpan<byte>(_file.Pointer + at, sizeof(uint)));
}
