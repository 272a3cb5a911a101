namespace TinyLora.Adapters;

/// <summary>What adapters change beyond adding B A to the projections of the layers: a step looks for nothing else.</summary>
[Flags]
internal enum AdapterChanges
{
    None = 0,
    Norms = 1,
    Biases = 2,
    Embedding = 4,
    Head = 8,
    /// <summary>Whole projections of the layers.</summary>
    Matrices = 16,
}
