using System.Text.Json;
using TinyLora.Errors;

namespace TinyLora.Tokenization;

/// <summary>Finds out what a path holds and has it read.</summary>
internal static class TokenizerFile
{
    public static TokenizerParts Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = path;
        if (Directory.Exists(path))
        {
            file = Path.Combine(path, "tokenizer.json");
            if (!File.Exists(file)) throw Throw.BadFileException(path, "tokenizer", $"a folder without tokenizer.json", $"one with it");
        }
        var head = Head(file);
        if (head.StartsWith("GGUF"u8)) return GgufTokenizer.Read(file);
        if (head.IsEmpty || head[0] != (byte)'{')
            throw Throw.BadFileException(file, "tokenizer", $"neither a GGUF file nor JSON", $"one of them");
        try
        {
            return JsonTokenizer.Read(file);
        }
        catch (JsonException e)
        {
            throw Throw.BadFileException(file, $"line {e.LineNumber + 1}", $"bad JSON at byte {e.BytePositionInLine + 1}", "a tokenizer");
        }
    }

    /// <summary>The first bytes of a file, without a byte order mark and white space.</summary>
    private static ReadOnlySpan<byte> Head(string file)
    {
        using var stream = File.OpenRead(file);
        var bytes = new byte[64];
        var head = bytes.AsSpan(0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        if (head.StartsWith("\uFEFF"u8)) head = head[3..];
        return head.TrimStart(" \t\r\n"u8);
    }
}
