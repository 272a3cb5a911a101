using TinyLora.Errors;
using TinyLora.Files;

namespace TinyLora.Weights;

/// <summary>A model's tensors by name, and which of them have found their use.</summary>
internal sealed class TensorCatalog
{
    private readonly Dictionary<string, TensorEntry> _tensors;
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly IReadOnlyDictionary<string, string>? _aliases;

    /// <param name="path">Of the file or folder, for messages.</param>
    /// <param name="tensors">All tensors.</param>
    /// <param name="aliases">Names of tensors that are stored under another name; other entries do not matter.</param>
    public TensorCatalog(string path, IReadOnlyList<TensorEntry> tensors, IReadOnlyDictionary<string, string>? aliases = null)
    {
        Path = path;
        Tensors = tensors;
        _aliases = aliases;
        _tensors = new Dictionary<string, TensorEntry>(tensors.Count, StringComparer.Ordinal);
        foreach (var tensor in tensors) _tensors.Add(tensor.Name, tensor);
    }

    public string Path { get; }

    public IReadOnlyList<TensorEntry> Tensors { get; }

    /// <summary>The tensor, or null if there is none of this name.</summary>
    public TensorEntry? Find(string name)
    {
        if (_tensors.TryGetValue(name, out var tensor)) return tensor;
        return _aliases != null && _aliases.TryGetValue(name, out var stored) && _tensors.TryGetValue(stored, out tensor) ? tensor : null;
    }

    /// <summary>Notes that the tensor is in use.</summary>
    public void Use(TensorEntry tensor) => _used.Add(tensor.Name);

    /// <summary>Refuses tensors without a use: they would change what the model computes.</summary>
    /// <exception cref="InvalidDataException">There is one.</exception>
    public void RefuseUnused()
    {
        foreach (var tensor in Tensors)
            if (!_used.Contains(tensor.Name) && !IsHarmless(tensor.Name))
                Throw.BadFile(tensor.Path, tensor.Name, $"a tensor {tensor.ShapeText} that this architecture does not have", "none such");
    }

    // Frequencies that older checkpoints store and everyone computes.
    private static bool IsHarmless(string name) =>
        name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal) || name.EndsWith(".attn_rot_embd.weight", StringComparison.Ordinal);
}
