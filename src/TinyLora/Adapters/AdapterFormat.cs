namespace TinyLora.Adapters;

/// <summary>The file formats of adapters.</summary>
public enum AdapterFormat
{
    /// <summary>Hugging Face PEFT: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
    Peft,
    /// <summary>llama.cpp's GGUF adapter.</summary>
    Gguf,
    /// <summary>mlx-lm: <c>adapter_config.json</c> and <c>adapters.safetensors</c> with transposed matrices.</summary>
    Mlx,
}
