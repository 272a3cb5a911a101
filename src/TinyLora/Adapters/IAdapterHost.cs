using TinyLora.Weights;

namespace TinyLora.Adapters;

/// <summary>What an adapter set needs of its model.</summary>
internal interface IAdapterHost
{
    /// <summary>One gate for all sets of a model: a session's set reads the model's.</summary>
    Lock Gate { get; }

    bool IsDisposed { get; }

    ModelShape Shape { get; }

    /// <summary>Floats that a row of t has; it only grows.</summary>
    int RankRoom { get; }

    /// <summary>Waits for a running step and makes room for so many; not to be called inside the gate.</summary>
    void ReserveRanks(int ranks);

    /// <summary>The adapter laid out for the model.</summary>
    /// <exception cref="InvalidDataException">It does not fit.</exception>
    BoundAdapter Bind(LoraAdapter adapter);
}
