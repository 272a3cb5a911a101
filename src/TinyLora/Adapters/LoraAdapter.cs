namespace TinyLora.Adapters;

/// <summary>
/// A LoRA adapter read from a file: y = W x + Scale · (Alpha / Rank) · B (A x) for each projection that it names.
/// </summary>
public sealed class LoraAdapter : IDisposable
{
    private float _scale = 1f;

    /// <summary>Reads a PEFT folder, a <c>.safetensors</c> file or a GGUF adapter.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or asks for what is not supported.</exception>
    public LoraAdapter(string path) => throw new NotImplementedException();

    /// <summary>The path it was read from.</summary>
    public string Path { get; }

    /// <summary>Strength from the next token on; any sign; 0 is exactly the base model.</summary>
    public float Scale
    {
        get => Volatile.Read(ref _scale);
        set => Volatile.Write(ref _scale, float.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A scale is a finite number."));
    }

    /// <summary>Frees the adapter's memory.</summary>
    public void Dispose() => throw new NotImplementedException();
}
