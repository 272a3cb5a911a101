using TinyLora.Kernels;
using TinyLora.Numerics;
using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>The memory that a step works in, shared by a model's sessions, which take turns. Rows have room for a multiple of 16 floats; what pads them stays zero where it is read.</summary>
internal sealed unsafe class Activations : IDisposable
{
    /// <summary>Rows that a step takes at most.</summary>
    public const int MaxRows = 128;

    private readonly List<AlignedBuffer> _buffers = [];
    private readonly AlignedBuffer[] _scores;
    private AlignedBuffer _lora = new(0);

    public Activations(ModelShape shape, int workerCount)
    {
        HiddenStride = Stride(shape.HiddenSize);
        QueryStride = Stride(shape.QuerySize);
        KeyValueStride = Stride(shape.KeyValueSize);
        IntermediateStride = Stride(shape.IntermediateSize);
        HeadStride = Stride(shape.HeadSize);
        var widest = Math.Max(shape.HiddenSize, Math.Max(shape.QuerySize, shape.IntermediateSize));
        QuantizedStride = QuantizedRow.Bytes((widest + 255) & ~255);

        Residual = Rows(HiddenStride);
        Normed = Rows(Math.Max(HiddenStride, QueryStride));
        Query = Rows(QueryStride);
        RotatedQuery = Rows(QueryStride);
        Key = Rows(KeyValueStride);
        Value = Rows(KeyValueStride);
        Attended = Rows(QueryStride);
        Delta = Rows(HiddenStride);
        Gate = Rows(IntermediateStride);
        Up = Rows(IntermediateStride);
        Quantized = Bytes((long)MaxRows * QuantizedStride);
        Cos = Rows(HeadStride);
        Sin = Rows(HeadStride);

        Private = new WorkerMemory[workerCount];
        _scores = new AlignedBuffer[workerCount];
        for (var i = 0; i < workerCount; i++)
        {
            Private[i].Normed = Floats(Math.Max(HiddenStride, QueryStride));
            Private[i].Quantized = Bytes(QuantizedStride);
            Private[i].Head = Floats(2L * HeadStride);
            Private[i].Scratch = Bytes(KernelScratch.Bytes(widest));
            _scores[i] = new AlignedBuffer(0);
        }
    }

    public int HiddenStride { get; }
    public int QueryStride { get; }
    public int KeyValueStride { get; }
    public int IntermediateStride { get; }
    public int HeadStride { get; }
    public int QuantizedStride { get; }

    /// <summary>[rows, HiddenStride]: the stream that every block adds to.</summary>
    public float* Residual { get; }
    public float* Normed { get; }
    public float* Query { get; }
    public float* RotatedQuery { get; }
    public float* Key { get; }
    public float* Value { get; }
    public float* Attended { get; }
    public float* Delta { get; }
    public float* Gate { get; }
    public float* Up { get; }
    public byte* Quantized { get; }
    /// <summary>[rows, HeadStride]</summary>
    public float* Cos { get; }
    public float* Sin { get; }
    /// <summary>[rows, LoraStride]: A x of the adapters of a row's segment, side by side.</summary>
    public float* Lora { get; private set; }
    public int LoraStride { get; private set; }

    public WorkerMemory[] Private { get; }

    /// <summary>Makes room for scores over this many positions.</summary>
    public void ReserveContext(int positions)
    {
        var floats = ((long)positions + 63) & ~31L;
        for (var i = 0; i < _scores.Length; i++)
        {
            if (_scores[i].Bytes >= floats * sizeof(float)) continue;
            // First the new memory: where there is none, the sessions that fit go on.
            var larger = AlignedBuffer.OfFloats(floats);
            _scores[i].Dispose();
            _scores[i] = larger;
            Private[i].Scores = larger.Floats;
        }
    }

    /// <summary>Makes room for adapters of this many stacked ranks in all.</summary>
    public void ReserveRanks(int ranks)
    {
        if (ranks <= LoraStride) return;
        var stride = Stride(ranks);
        var larger = AlignedBuffer.OfFloats((long)MaxRows * stride);
        _lora.Dispose();
        _lora = larger;
        Lora = larger.Floats;
        LoraStride = stride;
    }

    public void Dispose()
    {
        foreach (var buffer in _buffers) buffer.Dispose();
        foreach (var buffer in _scores) buffer.Dispose();
        _lora.Dispose();
    }

    public static int Stride(int floats) => checked((floats + 15) & ~15);

    private float* Rows(int stride) => Floats((long)MaxRows * stride);

    private float* Floats(long count) => (float*)Bytes(count * sizeof(float));

    private byte* Bytes(long count)
    {
        var buffer = new AlignedBuffer(count);
        _buffers.Add(buffer);
        return buffer.Pointer;
    }

    /// <summary>What one worker alone uses.</summary>
    public struct WorkerMemory
    {
        /// <summary>One normalised row, for steps of one row, where each worker makes its own instead of waiting for another.</summary>
        public float* Normed;
        public byte* Quantized;
        /// <summary>Two heads.</summary>
        public float* Head;
        public float* Scores;
        public byte* Scratch;
    }
}
