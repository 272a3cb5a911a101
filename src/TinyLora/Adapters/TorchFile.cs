using System.Buffers.Binary;
using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>
/// A dictionary of tensors that <c>torch.save</c> wrote: a zip archive with the pickle and each storage in a file, or before torch 1.6
/// five pickles and the storages behind them. No code in it is run (<see cref="TensorPickle"/>).
/// </summary>
internal sealed unsafe class TorchFile : IDisposable
{
    // The first of the five pickles: torch's magic number 0x1950a86a20f9469cfc6c.
    private static ReadOnlySpan<byte> LegacyStart => [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

    private readonly MappedFile _file;
    private readonly Dictionary<string, TorchStorage> _storages = new(StringComparer.Ordinal);
    private readonly List<TensorEntry> _tensors = [];
    private readonly List<AlignedBuffer> _copies = [];
    private long _taken;

    private TorchFile(MappedFile file) => _file = file;

    public IReadOnlyList<TensorEntry> Tensors => _tensors;

    /// <summary>Whether a file begins like one of torch's.</summary>
    public static bool IsTorch(ReadOnlySpan<byte> start) => StoredZip.IsZip(start) || IsPickle(start);

    /// <exception cref="InvalidDataException">It is damaged, or holds anything but a dictionary of tensors.</exception>
    public static TorchFile Open(string path)
    {
        var torch = new TorchFile(new MappedFile(path));
        try
        {
            torch.Read();
            return torch;
        }
        catch
        {
            torch.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var copy in _copies) copy.Dispose();
        _file.Dispose();
    }

    private static bool IsPickle(ReadOnlySpan<byte> start) => start.Length > 2 && start[0] == 0x80 && start[1] is >= 2 and <= 5;

    private void Read()
    {
        var start = new ReadOnlySpan<byte>(_file.Pointer, (int)Math.Min(_file.Length, LegacyStart.Length));
        object? value;
        if (StoredZip.IsZip(start)) value = ReadZip();
        else if (start.SequenceEqual(LegacyStart)) value = ReadLegacy();
        else
        {
            Throw.BadFile(_file.Path, "content", "a pickle that is not torch's", "tensors");
            return;
        }
        if (value is not Dictionary<string, object?> tensors)
        {
            Throw.BadFile(_file.Path, "pickle", "no dictionary", "tensors by name");
            return;
        }
        foreach (var (name, item) in tensors)
        {
            if (item is TorchTensor tensor) Add(name, tensor);
            else Throw.BadFile(_file.Path, name, "no tensor", "a tensor");
        }
    }

    private object? ReadZip()
    {
        var zip = StoredZip.Read(_file);
        const string pickleName = "/data.pkl";
        string? root = null;
        foreach (var name in zip.Entries.Keys)
            if (name.EndsWith(pickleName, StringComparison.Ordinal) && name.IndexOf('/') == name.Length - pickleName.Length) root = name[..^pickleName.Length];
        if (root == null) Throw.BadFile(_file.Path, "zip archive", "no data.pkl", "one, as torch writes");
        if (zip.Entries.TryGetValue($"{root}/byteorder", out var order) && !new ReadOnlySpan<byte>(_file.Pointer + order.Offset, (int)Math.Min(order.Bytes, 16)).StartsWith("little"u8))
            Throw.NotSupported(_file.Path, "a big-endian torch file");
        var (at, bytes) = zip.Entries[root + pickleName];
        var value = TensorPickle.Read(_file, ref at, at + bytes, _storages);
        foreach (var storage in _storages.Values)
        {
            if (!zip.Entries.TryGetValue($"{root}/data/{storage.Key}", out var entry)) Throw.BadFile(_file.Path, $"{root}/data/{storage.Key}", "no such file in the archive", "a storage");
            if (storage.Count > entry.Bytes / storage.Type.BlockBytes()) Throw.BadFile(_file.Path, $"{root}/data/{storage.Key}", $"{entry.Bytes} bytes", $"{storage.Count} numbers of {storage.Type}");
            storage.Data = _file.Pointer + entry.Offset;
        }
        return value;
    }

    /// <summary>Magic number, version, system, the object, the keys of the storages in the order of their data; then 8 bytes of count and the data of each.</summary>
    private object? ReadLegacy()
    {
        var at = 0L;
        for (var i = 0; i < 3; i++) TensorPickle.Read(_file, ref at, _file.Length, []);
        var value = TensorPickle.Read(_file, ref at, _file.Length, _storages);
        if (TensorPickle.Read(_file, ref at, _file.Length, []) is not List<object?> keys)
        {
            Throw.BadFile(_file.Path, "storages", "no list", "their keys");
            return null;
        }
        foreach (var item in keys)
        {
            if (item is not string key || !_storages.TryGetValue(key, out var storage) || storage.Data != null)
            {
                Throw.BadFile(_file.Path, "storages", "an unknown key, or one twice", "each once");
                return null;
            }
            if (_file.Length - at < sizeof(long)) Throw.Truncated(_file.Path, $"storage {key}", at, sizeof(long), _file.Length - at);
            var count = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(_file.Pointer + at, sizeof(long)));
            at += sizeof(long);
            if (count != storage.Count) Throw.BadFile(_file.Path, $"storage {key}", $"{count} numbers", $"{storage.Count}");
            if (count > (_file.Length - at) / storage.Type.BlockBytes()) Throw.BadFile(_file.Path, $"storage {key}", $"{count} numbers", $"no more than {_file.Length - at} bytes hold");
            storage.Data = _file.Pointer + at;
            at += storage.Type.ByteCount(count);
        }
        foreach (var storage in _storages.Values)
            if (storage.Data == null) Throw.BadFile(_file.Path, $"storage {storage.Key}", "no data", "data");
        return value;
    }

    private void Add(string name, TorchTensor tensor)
    {
        var (storage, offset, shape, strides) = tensor;
        if (shape.Length != strides.Length) Throw.BadFile(_file.Path, name, $"{strides.Length} strides", $"{shape.Length}, as the tensor has dimensions");
        Int128 count = 1, last = offset;
        var isWhole = true;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            isWhole &= shape[i] == 1 || strides[i] == count;
            count *= shape[i];
            if (count > storage.Count) break;
            if (shape[i] > 0) last += (Int128)(shape[i] - 1) * strides[i];
        }
        if (offset < 0 || count > storage.Count || (count > 0 && last >= storage.Count))
            Throw.BadFile(_file.Path, name, $"shape {TensorEntry.TextOf(shape)}, strides {TensorEntry.TextOf(strides)} from {offset} on", $"a view into {storage.Count} numbers");
        var bytes = storage.Type.ByteCount((long)count);
        // Many views of one storage must not become more memory than the file.
        _taken += bytes;
        if (_taken > _file.Length) Throw.BadFile(_file.Path, name, "tensors with more numbers than the file", "each number once");
        var data = count == 0 ? _file.Pointer : isWhole ? storage.Data + storage.Type.ByteCount(offset) : Gather(tensor, bytes);
        _tensors.Add(new TensorEntry(_file.Path, name, storage.Type.ToString(), storage.Type, shape, (long)count, data - _file.Pointer, bytes, data));
    }

    /// <summary>The view's numbers one after another.</summary>
    private byte* Gather(TorchTensor tensor, long bytes)
    {
        var size = tensor.Storage.Type.BlockBytes();
        var copy = new AlignedBuffer(bytes);
        _copies.Add(copy);
        var indices = new long[tensor.Shape.Length];
        var at = tensor.Offset;
        for (var to = copy.Pointer; to < copy.Pointer + bytes; to += size)
        {
            Buffer.MemoryCopy(tensor.Storage.Data + at * size, to, size, size);
            for (var i = indices.Length - 1; i >= 0; i--)
            {
                at += tensor.Strides[i];
                if (++indices[i] < tensor.Shape[i]) break;
                at -= tensor.Strides[i] * tensor.Shape[i];
                indices[i] = 0;
            }
        }
        return copy.Pointer;
    }
}
