using System.Numerics;
using System.Text;
using Microsoft.Build.Framework;
using Task = Microsoft.Build.Utilities.Task;

namespace TinyLora.Build;

/// <summary>
/// Writes, as assembler, the kernels that a native program imports from objects of the same program compiled for other levels of x86-64. A kernel is a leaf: its code
/// refers to constants and to other kernels only, so its bytes can be taken over as they are, by <c>.incbin</c>, with references to the copies. Anything else that
/// it refers to is an error.
/// </summary>
public sealed class WriteLinkedKernels : Task
{
    /// <summary>The program's object, which imports them.</summary>
    [Required]
    public string Program { get; set; } = "";

    /// <summary>The objects to take them from, with metadata <c>Level</c>: an import is named by it, a point and the symbol.</summary>
    [Required]
    public ITaskItem[] Levels { get; set; } = [];

    /// <summary>The assembler file.</summary>
    [Required]
    public string Output { get; set; } = "";

    public override bool Execute()
    {
        try
        {
            var program = ElfObject.Read(Program);
            var text = new StringBuilder("# Kernels for levels of x86-64 above the program's own.\n");
            // How the program asks which registers the system keeps.
            text.Append("\t.text\n\t.globl tinylora.xgetbv\n\t.hidden tinylora.xgetbv\n\t.type tinylora.xgetbv,@function\ntinylora.xgetbv:\n\txorl %ecx, %ecx\n\txgetbv\n\tret\n");
            foreach (var level in Levels) Take(program, level.ItemSpec, level.GetMetadata("Level") + ".", text);
            text.Append("\t.section .note.GNU-stack,\"\",@progbits\n");
            if (!Log.HasLoggedErrors) File.WriteAllText(Output, text.ToString());
        }
        catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            Log.LogError(null, "TL0202", null, Program, 0, 0, 0, 0, "The kernels cannot be linked: {0}", error.Message);
        }
        return !Log.HasLoggedErrors;
    }

    private void Take(ElfObject program, string path, string prefix, StringBuilder text)
    {
        var source = ElfObject.Read(path);
        var waiting = new Queue<string>(program.Undefined(prefix).Select(name => name[prefix.Length..]));
        if (waiting.Count == 0) throw new InvalidDataException($"the program imports none of level '{prefix.TrimEnd('.')}'");
        var seen = new HashSet<string>(waiting);
        while (waiting.TryDequeue(out var name))
        {
            var piece = source.Find(name) ?? throw new InvalidDataException($"'{path}' does not define '{name}'");
            Write(text, prefix, name, piece, path);
            foreach (var relocation in piece.Relocations)
            {
                // What needs the runtime (statics, allocation, exceptions) refers to data, or to what only the program defines.
                var isLeaf = source.Find(relocation.Target) is { } target && (target.IsCode || relocation.Target.StartsWith("__readonlydata_", StringComparison.Ordinal));
                if (relocation.Kind is not (ElfObject.PlaceRelative or ElfObject.PlaceRelativeCall) || !isLeaf)
                    throw new InvalidDataException($"'{name}' is no leaf: it refers to '{relocation.Target}'");
                if (seen.Add(relocation.Target)) waiting.Enqueue(relocation.Target);
            }
        }
    }

    private static void Write(StringBuilder text, string prefix, string name, ElfObject.Piece piece, string path)
    {
        var symbol = prefix + name;
        text.Append($"\t.section {(piece.IsCode ? ".text." : ".rodata.")}{symbol},\"a{(piece.IsCode ? "x" : "")}\",@progbits\n");
        text.Append($"\t.p2align {Math.Min(6, BitOperations.TrailingZeroCount(piece.Address))}\n\t.globl {symbol}\n\t.hidden {symbol}\n");
        if (piece.IsCode) text.Append($"\t.type {symbol},@function\n");
        text.Append($"{symbol}:\n");
        var at = 0ul;
        foreach (var relocation in piece.Relocations)
        {
            Bytes(relocation.Offset);
            text.Append($"\t.long {prefix}{relocation.Target}{relocation.Addend:+0;-0}-.\n");
            at += 4;
        }
        Bytes(piece.Length);
        text.Append($"\t.size {symbol},.-{symbol}\n");

        void Bytes(ulong end)
        {
            if (end > at) text.Append($"\t.incbin \"{path}\",{piece.FileOffset + at},{end - at}\n");
            at = end;
        }
    }
}
