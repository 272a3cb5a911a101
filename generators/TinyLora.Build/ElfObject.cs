using System.Buffers.Binary;
using System.Text;

namespace TinyLora.Build;

/// <summary>An object file of 64-bit little-endian ELF: the pieces of code and constants that its symbols name, and what they refer to.</summary>
/// <remarks>System V ABI, ELF-64 object file format.</remarks>
internal sealed class ElfObject
{
    private const int HeaderBytes = 64, SectionBytes = 64, SymbolBytes = 24, RelocationBytes = 24;
    private const uint SymbolTable = 2, RelocationsWithAddends = 4;
    /// <summary>R_X86_64_PC32: symbol + addend - place.</summary>
    public const uint PlaceRelative = 2;
    /// <summary>R_X86_64_PLT32: the same for a function that may lie in another file.</summary>
    public const uint PlaceRelativeCall = 4;

    private readonly string _path;
    private readonly byte[] _bytes;
    private readonly Section[] _sections;
    private readonly Symbol[] _symbols;
    private readonly Dictionary<string, Symbol> _named = [];
    private readonly Dictionary<int, ulong[]> _starts = [];
    private readonly Dictionary<int, Relocation[]> _relocations = [];

    private ElfObject(string path, byte[] bytes)
    {
        (_path, _bytes) = (path, bytes);
        if (bytes.Length < HeaderBytes || !bytes.AsSpan(0, 6).SequenceEqual("\u007fELF\u0002\u0001"u8)) throw Flaw("no 64-bit little-endian ELF file");
        var sections = Slice(Number(40), SectionBytes * (ulong)BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(60)));
        _sections = [.. Enumerable.Range(0, sections.Length / SectionBytes).Select(i => new Section(sections.Slice(i * SectionBytes, SectionBytes).Span))];
        var table = _sections.SingleOrDefault(section => section.Type == SymbolTable) ?? throw Flaw("no symbol table");
        var names = Contents((int)table.Link);
        var symbols = Contents(table);
        _symbols = [.. Enumerable.Range(0, symbols.Length / SymbolBytes).Select(i => new Symbol(symbols.Slice(i * SymbolBytes, SymbolBytes).Span, names.Span))];
        foreach (var symbol in _symbols)
            if (symbol.Name.Length > 0) _named[symbol.Name] = symbol;
    }

    public static ElfObject Read(string path) => new(path, File.ReadAllBytes(path));

    /// <summary>What it refers to and does not hold, with names that begin so.</summary>
    public IEnumerable<string> Undefined(string prefix) =>
        _symbols.Where(symbol => symbol.Section == 0 && symbol.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(symbol => symbol.Name);

    /// <summary>The piece that a symbol names, or null.</summary>
    /// <exception cref="InvalidDataException">Its code cannot be read.</exception>
    public Piece? Find(string name)
    {
        if (!_named.TryGetValue(name, out var symbol) || symbol.Section == 0 || symbol.Section >= _sections.Length) return null;
        var section = _sections[symbol.Section];
        // Constants have no size of their own: they end where the next ones begin.
        var end = symbol.Size > 0 ? symbol.Value + symbol.Size : NextStart(symbol);
        if (end > section.Size) throw Flaw($"symbol '{name}' ends at {end} in a section of {section.Size} bytes");
        var references = Relocations(symbol.Section).Where(r => r.Offset >= symbol.Value && r.Offset < end).Select(r => r with { Offset = r.Offset - symbol.Value });
        return new(section.IsCode, section.Offset + symbol.Value, end - symbol.Value, symbol.Value,
            [.. section.IsCode ? WithBranches(symbol, Slice(section.Offset + symbol.Value, symbol.Size).Span, [.. references]) : references]);
    }

    // A call that stays in its section is already filled in: it is a reference all the same.
    private List<Relocation> WithBranches(Symbol symbol, ReadOnlySpan<byte> code, List<Relocation> references)
    {
        var listed = references.Select(reference => (int)reference.Offset).ToHashSet();
        foreach (var place in X64Code.Displacements(code))
        {
            if (listed.Contains(place.Offset)) continue;
            var target = symbol.Value + (ulong)(place.Offset + 4) + (ulong)(long)BinaryPrimitives.ReadInt32LittleEndian(code[place.Offset..]);
            var name = place.IsBranch ? _symbols.FirstOrDefault(s => s.Section == symbol.Section && s.Value == target && s.Size > 0)?.Name : null;
            if (name == null) throw Flaw($"'{symbol.Name}' refers at byte {place.Offset} to byte {target} of its section, where no function begins");
            references.Add(new((ulong)place.Offset, PlaceRelative, name, -4));
        }
        return [.. references.OrderBy(reference => reference.Offset)];
    }

    private ulong NextStart(Symbol symbol)
    {
        if (!_starts.TryGetValue(symbol.Section, out var starts))
            _starts[symbol.Section] = starts = [.. _symbols.Where(s => s.Section == symbol.Section && s.Name.Length > 0).Select(s => s.Value).Distinct().Order()];
        var next = Array.BinarySearch(starts, symbol.Value) + 1;
        return next < starts.Length ? starts[next] : _sections[symbol.Section].Size;
    }

    private Relocation[] Relocations(int section)
    {
        if (_relocations.TryGetValue(section, out var known)) return known;
        var table = _sections.SingleOrDefault(s => s.Type == RelocationsWithAddends && s.Info == section);
        var entries = table == null ? default : Contents(table);
        return _relocations[section] = [.. Enumerable.Range(0, entries.Length / RelocationBytes).Select(i =>
        {
            var entry = entries.Slice(i * RelocationBytes, RelocationBytes).Span;
            var info = BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]);
            if (info >> 32 >= (ulong)_symbols.Length) throw Flaw($"a relocation names symbol {info >> 32} of {_symbols.Length}");
            return new Relocation(BinaryPrimitives.ReadUInt64LittleEndian(entry), (uint)info, _symbols[info >> 32].Name, BinaryPrimitives.ReadInt64LittleEndian(entry[16..]));
        }).OrderBy(relocation => relocation.Offset)];
    }

    private ReadOnlyMemory<byte> Contents(int section) => (uint)section < (uint)_sections.Length ? Contents(_sections[section]) : throw Flaw($"section {section} of {_sections.Length}");

    private ReadOnlyMemory<byte> Contents(Section section) => Slice(section.Offset, section.Size);

    private ReadOnlyMemory<byte> Slice(ulong offset, ulong length) => offset <= (ulong)_bytes.Length && length <= (ulong)_bytes.Length - offset
        ? _bytes.AsMemory((int)offset, (int)length)
        : throw Flaw($"{length} bytes at {offset} lie beyond its end at {_bytes.Length}");

    private ulong Number(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(offset));

    private InvalidDataException Flaw(string what) => new($"'{_path}': {what}.");

    /// <param name="IsCode">Or constants.</param>
    /// <param name="FileOffset">Where its bytes lie in the file.</param>
    /// <param name="Address">Place in its section, whose alignment it keeps.</param>
    public sealed record Piece(bool IsCode, ulong FileOffset, ulong Length, ulong Address, IReadOnlyList<Relocation> Relocations);

    /// <summary>A place, from the piece's first byte on, that the linker fills in.</summary>
    /// <param name="Kind">The processor's number for how.</param>
    public sealed record Relocation(ulong Offset, uint Kind, string Target, long Addend);

    private sealed class Section(ReadOnlySpan<byte> header)
    {
        private readonly ulong _flags = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);

        public uint Type { get; } = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        public bool IsCode => (_flags & 4) != 0;
        public ulong Offset { get; } = BinaryPrimitives.ReadUInt64LittleEndian(header[24..]);
        public ulong Size { get; } = BinaryPrimitives.ReadUInt64LittleEndian(header[32..]);
        public uint Link { get; } = BinaryPrimitives.ReadUInt32LittleEndian(header[40..]);
        public uint Info { get; } = BinaryPrimitives.ReadUInt32LittleEndian(header[44..]);
    }

    private sealed class Symbol(ReadOnlySpan<byte> entry, ReadOnlySpan<byte> names)
    {
        public string Name { get; } = Text(names, BinaryPrimitives.ReadUInt32LittleEndian(entry));
        public ushort Section { get; } = BinaryPrimitives.ReadUInt16LittleEndian(entry[6..]);
        public ulong Value { get; } = BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]);
        public ulong Size { get; } = BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]);

        private static string Text(ReadOnlySpan<byte> names, uint start)
        {
            if (start >= names.Length) return "";
            var rest = names[(int)start..];
            var end = rest.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
        }
    }
}
