using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Xml.Linq;

namespace TinyLora.Package.Tests;

/// <summary>What lies in the packages.</summary>
[Collection(FeedCollection.Name)]
public class ContentTests(Feed feed)
{
    private const string Runtime = $"TinyLora.{Feed.Version}.nupkg", RuntimeSymbols = $"TinyLora.{Feed.Version}.snupkg";
    private const string Tool = $"TinyLora.Cli.{Feed.Version}.nupkg";

    public static TheoryData<string> All => [Runtime, RuntimeSymbols, Tool];

    [Fact]
    public void The_runtime_brings_generator_task_and_targets() => Assert.Equal(
        [
            "README.md",
            "TinyLora.nuspec",
            "analyzers/dotnet/cs/TinyLora.Generators.dll",
            "build/TinyLora.props",
            "build/TinyLora.targets",
            "buildTransitive/TinyLora.props",
            "buildTransitive/TinyLora.targets",
            "lib/net10.0/TinyLora.dll",
            "lib/net10.0/TinyLora.xml",
            "tasks/net10.0/TinyLora.Build.deps.json",
            "tasks/net10.0/TinyLora.Build.dll",
            "tasks/net10.0/TinyLora.dll",
        ],
        feed.Read(Runtime).Keys);

    [Fact]
    public void The_runtime_depends_on_no_package() =>
        Assert.DoesNotContain(XDocument.Parse(Text(feed.Read(Runtime)["TinyLora.nuspec"])).Descendants(), element => element.Name.LocalName == "dependency");

    [Fact]
    public void The_symbols_are_those_of_the_library() => Assert.Equal(["TinyLora.nuspec", "lib/net10.0/TinyLora.pdb"], feed.Read(RuntimeSymbols).Keys);

    [Fact]
    public void The_tool_is_named_tinylora()
    {
        var files = feed.Read(Tool);
        Assert.Contains("README.md", files.Keys);
        Assert.Contains("tools/net10.0/any/TinyLora.dll", files.Keys);
        var command = Assert.Single(XDocument.Parse(Text(files["tools/net10.0/any/DotnetToolSettings.xml"])).Descendants("Command"));
        Assert.Equal(("tinylora", "TinyLora.Cli.dll", "dotnet"), ((string)command.Attribute("Name")!, (string)command.Attribute("EntryPoint")!, (string)command.Attribute("Runner")!));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_file_names_a_folder_of_this_machine(string package)
    {
        string[] folders = [Repository.Root, feed.Root, Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + "/.nuget"];
        foreach (var (name, content) in feed.Read(package))
        {
            Assert.All(folders, folder =>
            {
                Assert.True(content.AsSpan().IndexOf(Encoding.UTF8.GetBytes(folder)) < 0, $"{name} names {folder}");
                Assert.True(content.AsSpan().IndexOf(Encoding.Unicode.GetBytes(folder)) < 0, $"{name} names {folder}");
            });
        }
    }

    /// <summary>A name of a source in symbols is stored in parts.</summary>
    [SkippableFact]
    public void Symbols_name_sources_of_the_repository()
    {
        Skip.If(IsDebug, "only a Release build is made to be shipped");
        using var symbols = MetadataReaderProvider.FromPortablePdbStream(new MemoryStream(feed.Read(RuntimeSymbols)["lib/net10.0/TinyLora.pdb"]));
        var reader = symbols.GetMetadataReader();
        var sources = reader.Documents.Select(handle => reader.GetString(reader.GetDocument(handle).Name)).ToArray();
        Assert.NotEmpty(sources);
        Assert.All(sources, source => Assert.StartsWith("/_", source));
    }

    [SkippableTheory]
    [InlineData(Runtime, "lib/net10.0/TinyLora.dll")]
    [InlineData(Runtime, "tasks/net10.0/TinyLora.dll")]
    [InlineData(Runtime, "tasks/net10.0/TinyLora.Build.dll")]
    [InlineData(Runtime, "analyzers/dotnet/cs/TinyLora.Generators.dll")]
    [InlineData(Tool, "tools/net10.0/any/TinyLora.Cli.dll")]
    public void Assemblies_are_made_the_same_each_time(string package, string name)
    {
        using var assembly = new PEReader(new MemoryStream(feed.Read(package)[name]));
        Assert.Contains(assembly.ReadDebugDirectory(), entry => entry.Type == DebugDirectoryEntryType.Reproducible);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_package_is_the_same_each_time(string package) => Assert.True(feed.IsTheSameAgain(package));

#if DEBUG
    private const bool IsDebug = true;
#else
    private const bool IsDebug = false;
#endif

    private static string Text(byte[] utf8) => Encoding.UTF8.GetString(utf8).TrimStart('\uFEFF');
}
