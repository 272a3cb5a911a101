using System.Buffers.Binary;
using System.Text;
using TinyLora.Errors;
using TinyLora.Files;
using TinyLora.Numerics;

namespace TinyLora.Adapters;

/// <summary>
/// Builds the tensors that a pickle of torch's describes, and knows nothing else: of the names that a pickle can call, a handful mean
/// something here and any other is refused, so nothing in the file is ever run. Opcodes: Python's pickletools, protocols 2 to 4.
/// </summary>
internal sealed unsafe class TensorPickle
{
    private const int MaxDepth = 1_000_000;

    private static readonly object s_mark = new();
    private static readonly object s_orderedDict = new();
    private static readonly object s_rebuildTensor = new();
    private static readonly object s_rebuildParameter = new();

    private readonly MappedFile _file;
    private readonly long _end;
    private readonly Dictionary<string, TorchStorage> _storages;
    private readonly Dictionary<uint, object?> _memo = [];
    private readonly List<object?> _stack = [];
    private long _at;

    private TensorPickle(MappedFile file, long start, long end, Dictionary<string, TorchStorage> storages)
    {
        _file = file;
        _at = start;
        _end = end;
        _storages = storages;
    }

    /// <summary>What one pickle describes: tensors, lists, dictionaries, tuples (arrays), strings, whole numbers, truth values, null.</summary>
    /// <param name="file">The file.</param>
    /// <param name="at">Where the pickle begins; afterwards the byte behind it.</param>
    /// <param name="end">Byte to stop before.</param>
    /// <param name="storages">Receives the storages that are named.</param>
    /// <exception cref="InvalidDataException">It is damaged, or names anything that is no part of a tensor.</exception>
    public static object? Read(MappedFile file, ref long at, long end, Dictionary<string, TorchStorage> storages)
    {
        var pickle = new TensorPickle(file, at, end, storages);
        var value = pickle.Run();
        at = pickle._at;
        return value;
    }

    private object? Run()
    {
        while (true)
        {
            var opcode = Byte();
            switch ((char)opcode)
            {
                case '.': return Pop();
                case '\x80': Byte(); break;
                case '\x95': Take(8); break;
                case '(': Push(s_mark); break;
                case 'N': Push(null); break;
                case '\x88': Push(true); break;
                case '\x89': Push(false); break;
                case 'K': Push((long)Byte()); break;
                case 'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
                case 'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
                case '\x8a': Push(Long(Byte())); break;
                case 'G': Take(8); Push(null); break;
                case 'X': Push(Text(UInt32())); break;
                case '\x8c': Push(Text(Byte())); break;
                case 'U': Push(Text(Byte())); break;
                case '}': Push(new Dictionary<string, object?>(StringComparer.Ordinal)); break;
                case ']': Push(new List<object?>()); break;
                case ')': Push(Array.Empty<object?>()); break;
                case '\x85': Push(PopMany(1)); break;
                case '\x86': Push(PopMany(2)); break;
                case '\x87': Push(PopMany(3)); break;
                case 't': Push(PopToMark()); break;
                case 'q': _memo[Byte()] = Peek(); break;
                case 'r': _memo[UInt32()] = Peek(); break;
                case '\x94': _memo[(uint)_memo.Count] = Peek(); break;
                case 'h': Push(Remembered(Byte())); break;
                case 'j': Push(Remembered(UInt32())); break;
                case 'a': AppendAll([Pop()]); break;
                case 'e': AppendAll(PopToMark()); break;
                case 's': SetAll(PopMany(2)); break;
                case 'u': SetAll(PopToMark()); break;
                case 'c': Push(Global(Line(), Line())); break;
                case '\x93': PushStackGlobal(); break;
                case 'Q': Push(Storage(Pop())); break;
                case 'R': Reduce(); break;
                case 'b': Build(); break;
                default:
                    Bad($"opcode 0x{opcode:x2}", "one that tensors need");
                    break;
            }
        }
    }

    private object Global(string module, string name)
    {
        switch (module, name)
        {
            case ("collections", "OrderedDict"): return s_orderedDict;
            case ("torch._utils", "_rebuild_tensor_v2"): return s_rebuildTensor;
            case ("torch._utils", "_rebuild_parameter"): return s_rebuildParameter;
            case ("torch", "FloatStorage"): return ElementType.F32;
            case ("torch", "HalfStorage"): return ElementType.F16;
            case ("torch", "BFloat16Storage"): return ElementType.BF16;
            default:
                Bad($"the name {module}.{name}", "only tensors of F32, F16 or BF16: nothing else in a pickle is read, and nothing is run");
                throw null!;
        }
    }

    private void PushStackGlobal()
    {
        var names = PopMany(2);
        if (names is not [string module, string name]) Bad("a global without a name", "two strings");
        else Push(Global(module, name));
    }

    /// <summary>('storage', type, key, location, count), and in old files what it is a view of, which must be nothing.</summary>
    private TorchStorage Storage(object? id)
    {
        if (id is not object?[] { Length: 5 or 6 } parts || parts is not ["storage", ElementType type, string key, string, long count, ..] || count < 0 || (parts.Length == 6 && parts[5] != null))
        {
            Bad("another persistent id", "a storage: type, key, location and count");
            throw null!;
        }
        if (_storages.TryGetValue(key, out var known))
        {
            if (known.Type != type || known.Count != count) Bad($"storage {key} with two types or sizes", "one");
            return known;
        }
        return _storages[key] = new TorchStorage(key, type, count);
    }

    private void Reduce()
    {
        var arguments = Pop() as object?[];
        var function = Pop();
        if (function == s_orderedDict && arguments is [])
        {
            Push(new Dictionary<string, object?>(StringComparer.Ordinal));
        }
        else if (function == s_rebuildTensor && arguments is [TorchStorage storage, long offset, object?[] shape, object?[] strides, ..] && arguments.Length is 6 or 7)
        {
            Push(new TorchTensor(storage, offset, Sizes(shape), Sizes(strides)));
        }
        else if (function == s_rebuildParameter && arguments is [TorchTensor tensor, ..])
        {
            Push(tensor);
        }
        else
        {
            Bad("a call of another form", "tensors only");
        }
    }

    /// <summary>The state of a dictionary (<c>_metadata</c>) is versions of modules and is dropped.</summary>
    private void Build()
    {
        Pop();
        if (Peek() is not Dictionary<string, object?>) Bad("the state of an object", "tensors only");
    }

    private long[] Sizes(object?[] values)
    {
        if (values.Length > 8) Bad($"{values.Length} dimensions", "at most 8");
        var sizes = new long[values.Length];
        for (var i = 0; i < sizes.Length; i++)
        {
            if (values[i] is not long size || size < 0) Bad("a size that is no number from 0 on", "one");
            else sizes[i] = size;
        }
        return sizes;
    }

    private void AppendAll(object?[] items)
    {
        if (Peek() is List<object?> list) list.AddRange(items);
        else Bad("items without a list", "a list");
    }

    private void SetAll(object?[] items)
    {
        if (Peek() is not Dictionary<string, object?> dictionary || items.Length % 2 != 0)
        {
            Bad("items without a dictionary", "a dictionary");
            return;
        }
        for (var i = 0; i < items.Length; i += 2)
        {
            if (items[i] is not string key) Bad("a key that is no string", "a string");
            else dictionary[key] = items[i + 1];
        }
    }

    private void Push(object? value)
    {
        // One byte of a hostile file pushes one value.
        if (_stack.Count == MaxDepth) Bad($"{MaxDepth} values on the stack", "fewer");
        _stack.Add(value);
    }

    private object? Pop()
    {
        var value = Peek();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private object? Peek()
    {
        if (_stack.Count == 0) Bad("a value taken from an empty stack", "one there");
        return _stack[^1];
    }

    private object?[] PopMany(int count)
    {
        if (_stack.Count < count) Bad("a value taken from an empty stack", "one there");
        var values = _stack.GetRange(_stack.Count - count, count).ToArray();
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    private object?[] PopToMark()
    {
        var mark = _stack.LastIndexOf(s_mark);
        if (mark < 0) Bad("no mark", "one");
        var values = PopMany(_stack.Count - mark - 1);
        _stack.RemoveAt(mark);
        return values;
    }

    private object? Remembered(uint index)
    {
        if (!_memo.TryGetValue(index, out var value)) Bad($"memo {index}, which was not stored", "a stored one");
        return value;
    }

    /// <summary>A number of up to eight bytes; a longer one means nothing in a tensor and becomes null.</summary>
    private object? Long(int bytes)
    {
        var span = Take(bytes);
        if (bytes > sizeof(long)) return null;
        var value = 0L;
        for (var i = 0; i < bytes; i++) value |= (long)span[i] << (8 * i);
        var unused = 64 - 8 * bytes;
        return bytes == 0 ? 0L : value << unused >> unused;
    }

    private string Text(uint bytes) => Encoding.UTF8.GetString(Take(bytes));

    private string Line()
    {
        var rest = new ReadOnlySpan<byte>(_file.Pointer + _at, (int)Math.Min(_end - _at, 1000));
        var length = rest.IndexOf((byte)'\n');
        if (length < 0) Bad("a name without an end", "a line");
        _at += length + 1;
        return Encoding.UTF8.GetString(rest[..length]);
    }

    private byte Byte() => Take(1)[0];

    private uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ReadOnlySpan<byte> Take(uint bytes)
    {
        if (bytes > _end - _at || bytes > int.MaxValue) Throw.Truncated(_file.Path, "pickle", _at, bytes, _end - _at);
        var span = new ReadOnlySpan<byte>(_file.Pointer + _at, (int)bytes);
        _at += bytes;
        return span;
    }

    private ReadOnlySpan<byte> Take(int bytes) => Take((uint)bytes);

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Bad(string found, string expected) => Throw.BadFile(_file.Path, $"pickle before byte {_at}", found, expected);
}
