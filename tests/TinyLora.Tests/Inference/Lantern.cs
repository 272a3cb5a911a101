using TinyLora.Adapters;
using TinyLora.Inference;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Inference;

/// <summary>The repository's own model, for tests of what has nothing to do with its numbers.</summary>
internal static class Lantern
{
    public static string ModelPath { get; } = Folder("lantern-3m-Q8_0.gguf");

    public static Model Open(int threadCount = 2) => Model.Open(ModelPath, new ModelOptions { ThreadCount = threadCount });

    public static LoraAdapter Adapter(string name) => new(Folder(Path.Combine("adapters", name)));

    private static string Folder(string name) => Path.Combine(Shared.Repository, "samples", "lantern", name);
}
