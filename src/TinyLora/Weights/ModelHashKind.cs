namespace TinyLora.Weights;

/// <summary>What of a model a <see cref="ModelHash"/> is made from.</summary>
public enum ModelHashKind
{
    /// <summary>
    /// The norms, which no quantisation changes: the same for all files of one model, whatever their format and container, and another for a model that was trained further.
    /// It costs kilobytes of reading. A model whose norms were kept while the rest was trained (as by merging an adapter into it) is not told apart.
    /// </summary>
    Norms,
    /// <summary>
    /// Every tensor's name, type, shape and bytes: this file's weights and no others, not even the same model quantised or converted otherwise. For adapters that were
    /// trained on the quantised weights themselves. All weights are read once.
    /// </summary>
    Weights,
}
