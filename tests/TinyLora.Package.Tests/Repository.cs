namespace TinyLora.Package.Tests;

/// <summary>The repository's files.</summary>
internal static class Repository
{
    /// <summary>The folder that holds TinyLora.sln.</summary>
    public static string Root { get; } = Find();

    public static string Model => Path("samples", "lantern", "lantern-3m-Q8_0.gguf");

    public static string Adapter => Path("samples", "lantern", "adapters", "pirate", "adapter_model.safetensors");

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "TinyLora.sln"))) folder = folder.Parent!;
        return folder.FullName;
    }
}
