using System.Runtime.CompilerServices;
using TinyLora.Errors;

namespace TinyLora.Files;

/// <summary>Reads little-endian fields one after another and never beyond the end.</summary>
internal unsafe ref struct GgufReader(string path, byte* data, long length)
{
    /// <summary>Next byte to read.</summary>
    public long Position { get; private set; }

    public uint UInt32(string place) => Unsafe.ReadUnaligned<uint>(Take(sizeof(uint), place));

    public ulong UInt64(string place) => Unsafe.ReadUnaligned<ulong>(Take(sizeof(ulong), place));

    /// <summary>A string: a 64-bit length and as many bytes.</summary>
    public ReadOnlySpan<byte> Text(string place)
    {
        var bytes = UInt64(place);
        // A span holds no more than this; no string of a sound file comes near it.
        if (bytes > int.MaxValue) Throw.Truncated(path, place, Position, bytes, length - Position);
        return new ReadOnlySpan<byte>(Take(bytes, place), (int)bytes);
    }

    public void Skip(ulong bytes, string place) => Take(bytes, place);

    private byte* Take(ulong bytes, string place)
    {
        if (bytes > (ulong)(length - Position)) Throw.Truncated(path, place, Position, bytes, length - Position);
        var field = data + Position;
        Position += (long)bytes;
        return field;
    }
}
