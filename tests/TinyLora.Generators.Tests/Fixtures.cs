using System.Text.Json.Nodes;

namespace TinyLora.Generators.Tests;

/// <summary>A small declared model.</summary>
internal static class Fixtures
{
    public const string ManifestPath = "/game/obj/tiny.model.json";

    public const string Source = """
        using TinyLora;
        namespace Game;

        [LoraModel("tiny.model.json", Ranks = [8, 16])]
        public sealed partial class Tiny;
        """;

    /// <summary>Two layers; the second one's down projection has another format.</summary>
    public const string ManifestJson = """
        {
          "format": 1,
          "model": "tiny.gguf",
          "architecture": "llama",
          "hiddenSize": 64,
          "intermediateSize": 256,
          "layerCount": 2,
          "headCount": 4,
          "keyValueHeadCount": 2,
          "headSize": 16,
          "vocabularySize": 512,
          "contextLength": 128,
          "rmsNormEpsilon": 1E-05,
          "ropeTheta": 10000,
          "rotaryLayout": "interleaved",
          "slidingWindow": 0,
          "slidingWindowFirstLayer": 0,
          "tiedEmbedding": false,
          "queryKeyNorm": false,
          "ranks": [4],
          "tensors": {
            "embedding": "F16",
            "head": "Q8_0",
            "layers": [
              { "count": 1, "query": "Q8_0", "key": "Q8_0", "value": "Q8_0", "output": "Q8_0", "gate": "Q8_0", "up": "Q8_0", "down": "Q8_0" },
              { "count": 1, "query": "Q8_0", "key": "Q8_0", "value": "Q8_0", "output": "Q8_0", "gate": "Q8_0", "up": "Q8_0", "down": "Q6_K" }
            ]
          }
        }
        """;

    /// <summary>One kind of matrix for all roles and one rank: the fewest kernels that a model can have.</summary>
    public static string SmallManifestJson => Manifest(json =>
    {
        (json["intermediateSize"], json["vocabularySize"], json["keyValueHeadCount"]) = (64, 64, 4);
        json["tensors"]!["layers"]![1]!["down"] = "Q8_0";
    });

    public static GeneratorRun Run(string source = Source, string manifest = ManifestJson) => new(source, (ManifestPath, manifest));

    /// <summary>The manifest with one change.</summary>
    public static string Manifest(Action<JsonObject> change)
    {
        var manifest = JsonNode.Parse(ManifestJson)!.AsObject();
        change(manifest);
        return manifest.ToJsonString();
    }

    /// <summary>The repository's top folder.</summary>
    public static DirectoryInfo Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "TinyLora.sln"))) folder = folder.Parent!;
        return folder;
    }

    /// <summary>Path of a fixture beside the repository; without it the test is skipped.</summary>
    public static string Shared(string path)
    {
        var found = Path.Combine(Repository().Parent!.FullName, "shared", path);
        Skip.IfNot(Path.Exists(found), $"../shared/{path} is missing");
        return found;
    }
}
