using TinyLora.Weights;

namespace TinyLora.Inference;

/// <summary>All that a step's code reads: the weights, the work memory, the workers and the step itself.</summary>
internal sealed class StepContext(ModelWeights weights, Activations activations, Workers workers, Step step)
{
    public ModelWeights Weights { get; } = weights;
    public Activations Activations { get; } = activations;
    public Workers Workers { get; } = workers;
    public Step Step { get; } = step;
}
