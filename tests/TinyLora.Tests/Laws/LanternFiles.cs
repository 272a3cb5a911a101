using TinyLora.Adapters;
using TinyLora.Tests.Goldens;

namespace TinyLora.Tests.Laws;

/// <summary>The model that the repository carries, and its adapters.</summary>
internal static class LanternFiles
{
    public static string Folder { get; } = Path.Combine(Shared.Repository, "samples", "lantern");

    public static string Q8_0 { get; } = Path.Combine(Folder, "lantern-3m-Q8_0.gguf");

    public static string Adapters { get; } = Path.Combine(Folder, "adapters");

    public static LoraAdapter Adapter(string name) => new(Path.Combine(Adapters, name));
}
