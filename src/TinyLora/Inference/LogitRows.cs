using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TinyLora.Inference;

/// <summary>Logits that callers see, [rows, Stride]. Pinned managed memory and not native: a span of it stays valid whatever is disposed or collected while it is read.</summary>
internal sealed unsafe class LogitRows
{
    private const int CacheLine = 16; // floats

    private readonly float[] _memory;
    private readonly int _first;
    private readonly int _vocabularySize;

    public LogitRows(int rows, int vocabularySize)
    {
        _vocabularySize = vocabularySize;
        Stride = Activations.Stride(vocabularySize);
        // One line to align, and one more that the last row's vectors may touch.
        _memory = GC.AllocateArray<float>(checked(rows * Stride + 2 * CacheLine), pinned: true);
        var start = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_memory));
        Pointer = (float*)(((nint)start + 63) & ~63);
        _first = (int)(Pointer - start);
    }

    /// <summary>Valid as long as this object is reachable.</summary>
    public float* Pointer { get; }

    /// <summary>Floats from one row to the next.</summary>
    public int Stride { get; }

    /// <summary>[VocabularySize]</summary>
    public ReadOnlySpan<float> Row(int index) => _memory.AsSpan(_first + index * Stride, _vocabularySize);
}
