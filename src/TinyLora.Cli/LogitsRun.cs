using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using TinyLora.Inference;

namespace TinyLora.Cli;

/// <summary>The logits after each of the last tokens of a prompt, written and hashed as they come.</summary>
internal sealed class LogitsRun(Model model, int[] tokens, int last, int chunk)
{
    // Rows that are held at once; a vocabulary may be large.
    private const int MaxRows = 16;

    private readonly SessionOptions _options = new() { ContextLength = tokens.Length, ChunkLength = Math.Min(chunk, new SessionOptions().ChunkLength) };

    /// <summary>The first token after which a logit is no finite number, or -1.</summary>
    public int FirstNotFinite { get; private set; } = -1;

    /// <summary>Writes input_ids [T] and logits [last, VocabularySize] as safetensors; returns the XXH3-64 of the logits' bytes.</summary>
    public ulong Write(Stream output, CancellationToken cancellation)
    {
        WriteHeader(output);
        WriteLittleEndian(output, tokens);
        using var session = model.CreateSession(_options);
        var hash = new XxHash3();
        var vocabulary = model.Shape.VocabularySize;
        var rows = Math.Min(last, Math.Min(_options.ChunkLength, MaxRows));
        var logits = new float[checked(rows * vocabulary)];
        // One prompt, however it is cut: an adapter may look for its invocation tokens in all of it.
        session.BeginPrefill(tokens);
        while (session.Uncomputed > last)
        {
            cancellation.ThrowIfCancellationRequested();
            session.Compute(Math.Min(_options.ChunkLength, session.Uncomputed - last), []);
        }
        while (session.Uncomputed > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = Math.Min(rows, session.Uncomputed);
            var computed = logits.AsSpan(0, count * vocabulary);
            session.Compute(count, computed);
            for (var i = 0; i < computed.Length && FirstNotFinite < 0; i++)
                if (!float.IsFinite(computed[i])) FirstNotFinite = session.Position - session.Uncomputed - count + i / vocabulary;
            var bytes = MemoryMarshal.AsBytes(computed);
            hash.Append(bytes);
            output.Write(bytes);
        }
        return hash.GetCurrentHashAsUInt64();
    }

    private void WriteHeader(Stream output)
    {
        var idBytes = (long)tokens.Length * sizeof(int);
        var end = idBytes + (long)last * model.Shape.VocabularySize * sizeof(float);
        var header = $"{{\"input_ids\":{{\"dtype\":\"I32\",\"shape\":[{tokens.Length}],\"data_offsets\":[0,{idBytes}]}},"
            + $"\"logits\":{{\"dtype\":\"F32\",\"shape\":[{last},{model.Shape.VocabularySize}],\"data_offsets\":[{idBytes},{end}]}}}}";
        // Spaces up to a multiple of 8, so that the data are aligned.
        var bytes = Encoding.ASCII.GetBytes(header.PadRight((header.Length + 7) & ~7));
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)bytes.Length);
        output.Write(length);
        output.Write(bytes);
    }

    private static void WriteLittleEndian(Stream output, ReadOnlySpan<int> numbers) => output.Write(MemoryMarshal.AsBytes(numbers));
}
