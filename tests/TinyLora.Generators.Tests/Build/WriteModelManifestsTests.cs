using TinyLora.Generators.Parsing;

namespace TinyLora.Generators.Tests.Build;

public sealed class WriteModelManifestsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_missing_model_is_named()
    {
        var run = new TaskRun(TaskRun.Model("models/none.gguf", Manifest("a")));
        AssertError(run, "TL0101", "LoraModel 'models/none.gguf': there is no such file or folder");
    }

    [Theory]
    [InlineData("8;x", "rank 'x' is no whole number from 1 to 256")]
    [InlineData("0", "rank '0' is no whole number from 1 to 256")]
    [InlineData("-1", "rank '-1' is no whole number from 1 to 256")]
    [InlineData("8; 257", "rank '257' is no whole number from 1 to 256")]
    [InlineData("8,8", "rank 8 is named twice")]
    public void Bad_ranks_are_named(string ranks, string expected) =>
        AssertError(new TaskRun(TaskRun.Model("m.gguf", Manifest("a"), ranks)), "TL0103", "LoraModel 'm.gguf': " + expected);

    [Fact]
    public void A_file_that_is_no_model_is_refused_and_leaves_no_manifest()
    {
        var path = Path.Combine(_folder.FullName, "text.gguf");
        File.WriteAllText(path, "This is no model, but it is longer than a header.");
        AssertError(new TaskRun(TaskRun.Model(path, Manifest("a"))), "TL0102", path);
        Assert.False(File.Exists(Manifest("a")));
    }

    [SkippableFact]
    public void One_name_for_two_manifests_is_refused()
    {
        var model = Fixtures.Shared("models/lantern/lantern-3m-Q8_0.gguf");
        AssertError(new TaskRun(TaskRun.Model(model, Manifest("a")), TaskRun.Model("b.gguf", Manifest("a"))), "TL0104", "'a.model.json' is also that of '" + model);
    }

    [SkippableTheory]
    [InlineData("models/lantern/lantern-3m-Q8_0.gguf", "lantern-3m-Q8_0.gguf", "interleaved")]
    [InlineData("models/lantern/hf", "hf", "halves")]
    public void A_models_headers_become_a_manifest(string path, string name, string layout)
    {
        Assert.True(new TaskRun(TaskRun.Model(Fixtures.Shared(path), Manifest("a"), "16; 8")).Succeeded);
        var text = File.ReadAllText(Manifest("a"));
        Assert.Contains($"\"rotaryLayout\": \"{layout}\"", text);
        var manifest = ManifestParser.Parse(Manifest("a"), text);
        Assert.Empty(manifest.Flaws);
        Assert.Equal(name, manifest.Spec!.Model);
        Assert.Equal([8, 16], manifest.Spec.Ranks);
        Assert.Equal((256, 512, 5, 8, 4, 32, 2048), (manifest.Spec.Shape.HiddenSize, manifest.Spec.Shape.IntermediateSize, manifest.Spec.Shape.LayerCount,
            manifest.Spec.Shape.HeadCount, manifest.Spec.Shape.KeyValueHeadCount, manifest.Spec.Shape.HeadSize, manifest.Spec.Shape.VocabularySize));
    }

    [SkippableTheory]
    [InlineData("golden/gguf/models", 20)]
    [InlineData("golden/peft/models", 8)]
    [InlineData("models", 4)]
    public void Whatever_the_runtime_opens_the_generator_takes(string folder, int atLeast)
    {
        var top = Fixtures.Shared(folder);
        var models = Directory.GetFiles(top, "*.gguf", SearchOption.AllDirectories)
            .Concat(Directory.GetFiles(top, "config.json", SearchOption.AllDirectories).Select(path => Path.GetDirectoryName(path)!));
        var taken = 0;
        foreach (var model in models)
        {
            var run = new TaskRun(TaskRun.Model(model, Manifest("a"), "8"));
            if (run.Succeeded)
            {
                Assert.Empty(ManifestParser.Parse(Manifest("a"), File.ReadAllText(Manifest("a"))).Flaws);
                taken++;
            }
            else
            {
                Assert.Equal("TL0102", Assert.Single(run.Errors).Code);
            }
        }

        Assert.True(taken >= atLeast, $"Only {taken} models of {folder} were opened.");
    }

    [SkippableFact]
    public void A_manifest_that_stays_the_same_is_not_touched()
    {
        var model = TaskRun.Model(Fixtures.Shared("models/lantern/lantern-3m-Q8_0.gguf"), Manifest("a"), "8");
        Assert.True(new TaskRun(model).Succeeded);
        var early = new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(Manifest("a"), early);
        Assert.True(new TaskRun(model).Succeeded);
        Assert.Equal(early, File.GetLastWriteTimeUtc(Manifest("a")));
        model.SetMetadata("Ranks", "4");
        Assert.True(new TaskRun(model).Succeeded);
        Assert.NotEqual(early, File.GetLastWriteTimeUtc(Manifest("a")));
    }

    private static void AssertError(TaskRun run, string code, string expected)
    {
        Assert.False(run.Succeeded);
        var error = Assert.Single(run.Errors);
        Assert.Equal(code, error.Code);
        Assert.Contains(expected, error.Message);
    }

    private string Manifest(string name) => Path.Combine(_folder.FullName, "sub", name + ".model.json");
}
