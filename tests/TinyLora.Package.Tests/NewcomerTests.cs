using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TinyLora.Conversation;
using TinyLora.Inference;
using TinyLora.Kernels;
using TinyLora.Sampling;
using Xunit.Abstractions;

namespace TinyLora.Package.Tests;

/// <summary>The package in a project of somebody else's: published by NativeAOT, run, built again, and built wrongly.</summary>
[Collection(FeedCollection.Name)]
public class NewcomerTests(Feed feed, ITestOutputHelper log)
{
    /// <summary>A manifest whose output matrix has a format that kernels are not written for.</summary>
    private const string CoarseManifest = """
        {
          "format": 1, "model": "coarse.gguf", "architecture": "llama", "hiddenSize": 64, "intermediateSize": 256, "layerCount": 1, "headCount": 4,
          "keyValueHeadCount": 2, "headSize": 16, "vocabularySize": 512, "contextLength": 128, "rmsNormEpsilon": 1E-05, "ropeTheta": 10000,
          "rotaryLayout": "interleaved", "slidingWindow": 0, "slidingWindowFirstLayer": 0, "tiedEmbedding": false, "queryKeyNorm": false, "ranks": [],
          "tensors": {
            "embedding": "F16", "head": "IQ2_XS",
            "layers": [{ "count": 1, "query": "F16", "key": "F16", "value": "F16", "output": "F16", "gate": "F16", "up": "F16", "down": "F16" }]
          }
        }
        """;

    private static readonly string Lantern = $"<LoraModel Include=\"{Repository.Model}\" Ranks=\"4;8\" />";

    [SkippableFact]
    public void A_published_program_answers_and_a_build_without_a_change_does_nothing()
    {
        Skip.IfNot(OperatingSystem.IsLinux() && Finds("gcc", "clang"), "NativeAOT needs a C compiler to link with");
        Skip.If(RuntimeInformation.ProcessArchitecture == Architecture.X64 && !Avx2.IsSupported, "the publish needs AVX2");
        var newcomer = new Newcomer(feed, "Inn", Lantern, Newcomer.Program);
        var publish = Timed("publish", () => newcomer.Dotnet("publish", "-o", "out").Succeeds());
        Assert.DoesNotContain("warning", publish.Output);
        Assert.True(Directory.Exists(Path.Combine(feed.Packages, "tinylora", Feed.Version)), "another package than that of the feed was used");
        log.WriteLine($"{new FileInfo(Path.Combine(newcomer.Folder, "out", "Inn")).Length:N0} bytes");

        var (plain, pirate) = Answers();
        Assert.StartsWith("LoRA, or low-rank adaptation, is a way to change a language model", plain);
        Assert.Equal($"{BestOfThePublish()}\n{plain}\n{pirate}\n", newcomer.Run("out").Succeeds().Output);
        Assert.Equal($"vector128\n{plain}\n{pirate}\n", newcomer.Run("out", "vector128").Succeeds().Output);
        var lacking = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? InstructionSet.Neon : InstructionSet.Avx2;
        Assert.Contains($"PlatformNotSupportedException: The instruction set {lacking} needs", newcomer.Run("out", lacking.Name).Fails().Output);
        Assert.Contains("There is no instruction set 'sse9'; known are scalar, vector128", newcomer.Run("out", "sse9").Fails().Output);

        var again = Timed("publish again", () => newcomer.Dotnet("publish", "-o", "out", "-v:n").Succeeds()).Output;
        Assert.All(["TinyLoraWriteManifests", "CoreCompile", "IlcCompile", "LinkNative"], target => Assert.Contains($"Skipping target \"{target}\"", again));

        // The real target of the compiler's package: only the compiler itself is not started.
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64) return;
        var dropped = Timed("TL0201", () => newcomer.Dotnet("build", "-t:WriteIlcRspFileForCompilation", "-r", "linux-x64", "-c", "Release", "-p:SelfContained=true", "-p:IlcInstructionSet=x86-64-v2").Succeeds());
        Assert.Contains("warning TL0201: IlcInstructionSet='x86-64-v2' compiles the AVX2 kernels out of this program", dropped.Output);

        // One program for every x64: the setting, and nothing else.
        Timed("publish for all", () => newcomer.Dotnet("publish", "-o", "all", "-p:TinyLoraInstructionSet=all").Succeeds());
        log.WriteLine($"{new FileInfo(Path.Combine(newcomer.Folder, "all", "Inn")).Length:N0} bytes");
        Assert.Equal($"{InstructionSet.All.Last(set => set.IsSupported)}\n{plain}\n{pirate}\n", newcomer.Run("all").Succeeds().Output);
        foreach (var set in InstructionSet.All)
            if (set.IsSupported && set != InstructionSet.Scalar) Assert.Equal($"{set}\n{plain}\n{pirate}\n", newcomer.Run("all", set.Name).Succeeds().Output);
        var allAgain = Timed("publish for all again", () => newcomer.Dotnet("publish", "-o", "all", "-p:TinyLoraInstructionSet=all", "-v:n").Succeeds()).Output;
        Assert.All(["IlcCompile", "TinyLoraCompileKernels", "LinkNative"], target => Assert.Contains($"Skipping target \"{target}\"", allAgain));
        Assert.Contains("error TL0203: TinyLoraInstructionSet=all is for Linux, not for 'win-x64'",
            newcomer.Dotnet("msbuild", "-t:TinyLoraImportKernels", "-p:TinyLoraInstructionSet=all", "-p:RuntimeIdentifier=win-x64").Fails().Output);
    }

    [Fact]
    public void What_is_wrong_with_models_is_said_by_the_build()
    {
        var newcomer = new Newcomer(feed, "WrongModels", $"""
            <LoraModel Include="{Repository.Model}" Manifest="folder.model.json" />
            <LoraModel Include="models/none.gguf" />
            <LoraModel Include="models/gpt2.gguf" />
            <LoraModel Include="models/ranks.gguf" Ranks="8;300" />
            <LoraModel Include="models/GPT2.gguf" Manifest="gpt2.model.json" />
            """, Newcomer.Program);
        Directory.CreateDirectory(Path.Combine(newcomer.Folder, "models"));
        File.WriteAllBytes(Path.Combine(newcomer.Folder, "models", "gpt2.gguf"), GgufOfArchitecture("gpt2"));
        Directory.CreateDirectory(Path.Combine(newcomer.Folder, "obj", "Debug", "net10.0", "folder.model.json"));
        var output = Timed("models", () => newcomer.Dotnet("build").Fails()).Output;
        var project = Path.Combine(newcomer.Folder, "WrongModels.csproj");
        Assert.Contains($"{project} : error TL0101: LoraModel 'models/none.gguf': there is no such file or folder", output);
        Assert.Matches("error TL0102: LoraModel 'models/gpt2.gguf': .*'gpt2'", output);
        Assert.Contains("error TL0103: LoraModel 'models/ranks.gguf': rank '300' is no whole number from 1 to 256", output);
        Assert.Contains("error TL0104: LoraModel 'models/GPT2.gguf': its manifest 'gpt2.model.json' is also that of 'models/gpt2.gguf'", output);
        Assert.Contains($"error TL0105: LoraModel '{Repository.Model}': ", output);
    }

    [Fact]
    public void What_is_wrong_with_declarations_is_said_by_the_compiler()
    {
        var newcomer = new Newcomer(feed, "WrongClasses", Lantern + "<AdditionalFiles Include=\"*.model.json;*/two.model.json\" />", """
            using TinyLora;

            [LoraModel("lantern-3m-Q8_0.model.json")] class Whole;
            [LoraModel("lantern-3m-Q8_0.model.json", Ranks = [4, 257])] partial class TooWide;
            [LoraModel("lantern-3m-Q8_0.model.json", Ranks = [4, 4])] partial class Twice;
            [LoraModel("gpt2.model.json")] partial class Gpt2;
            [LoraModel("broken.model.json")] partial class Broken;
            [LoraModel("missing.model.json")] partial class Missing;
            [LoraModel("lantern-3m-Q8_0.model.json")] partial class Generic<T>;
            [LoraModel("lantern-3m-Q8_0.model.json")] static partial class Static;
            [LoraModel("lantern-3m-Q8_0.model.json")] partial class Derived : System.Exception;
            [LoraModel("coarse.model.json")] partial class Coarse;
            [LoraModel("two.model.json")] partial class Ambiguous;
            class Outer { [LoraModel("lantern-3m-Q8_0.model.json")] partial class Inner; }
            """);
        File.WriteAllText(Path.Combine(newcomer.Folder, "gpt2.model.json"), """{ "format": 1, "model": "gpt2.gguf", "architecture": "gpt2" }""");
        File.WriteAllText(Path.Combine(newcomer.Folder, "broken.model.json"), "{");
        File.WriteAllText(Path.Combine(newcomer.Folder, "coarse.model.json"), CoarseManifest);
        foreach (var folder in new[] { "a", "b" })
        {
            Directory.CreateDirectory(Path.Combine(newcomer.Folder, folder));
            File.WriteAllText(Path.Combine(newcomer.Folder, folder, "two.model.json"), "{}");
        }

        // An error of its own at each declaration, which hides none of the others.
        var output = Timed("declarations", () => newcomer.Dotnet("build", "-p:AllowUnsafeBlocks=false").Fails()).Output;
        (int Line, string Id, string Text)[] expected =
        [
            (3, "TL0001", "'Whole' must be partial"),
            (4, "TL0012", "Rank 257 of 'TooWide' is not between 1 and 256"),
            (5, "TL0013", "Rank 4 of 'Twice' is named twice"),
            (6, "TL0010", "Manifest 'gpt2.model.json' is of a model of architecture 'gpt2', which is not supported: llama, qwen2"),
            (7, "TL0009", "Manifest 'broken.model.json'"),
            (8, "TL0007", "No manifest 'missing.model.json' is among the AdditionalFiles, which hold 'broken.model.json', 'coarse.model.json', 'gpt2.model.json', 'lantern-3m-Q8_0.model.json'"),
            (9, "TL0003", "'Generic' must not have type parameters"),
            (10, "TL0005", "'Static' must not be static"),
            (11, "TL0004", "'Derived' must not derive from 'System.Exception'"),
            (12, "TL0011", "Manifest 'coarse.model.json', tensors.head: weight format 'IQ2_XS' is not supported: "),
            (13, "TL0008", "Several AdditionalFiles are named 'two.model.json'"),
            (14, "TL0002", "'Inner' must not be nested in 'Outer'"),
            (3, "TL0006", "The kernels of 'Whole' work on mapped memory: set <AllowUnsafeBlocks>"),
        ];
        foreach (var (line, id, text) in expected) Assert.Matches($@"Program\.cs\({line},\d+\): error {id}: {System.Text.RegularExpressions.Regex.Escape(text)}", output);
    }

    [Fact]
    public void The_tool_installs_and_inspects_a_model()
    {
        var tools = Path.Combine(feed.Root, "tools");
        Timed("tool", () => Command.Run(feed.Root, feed.Environment, "dotnet", "tool", "install", "TinyLora.Cli", "--tool-path", tools, "--version", Feed.Version).Succeeds());
        Assert.Contains("llama", Command.Run(feed.Root, feed.Environment, Path.Combine(tools, "tinylora"), "inspect", Repository.Model).Succeeds().Output);
    }

    /// <summary>The texts that this process gives, by kernels whose sizes are parameters.</summary>
    private static (string Plain, string Pirate) Answers()
    {
        using var model = Model.Open(Repository.Model, new ModelOptions { ThreadCount = 1 });
        using var chat = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy };
        var plain = chat.Submit("What is LoRA?").Text;
        model.ApplyLoraAdapter(new Adapters.LoraAdapter(Repository.Adapter));
        using var other = new MultiTurnConversation(model) { SamplingOptions = SamplingOptions.Greedy };
        return (plain, other.Submit("What is LoRA?").Text);
    }

    /// <summary>The best of a publish for x86-64-v3 or ARM64 on this machine.</summary>
    private static InstructionSet BestOfThePublish() =>
        InstructionSet.All.Last(set => set.IsSupported && set != InstructionSet.Avx512);

    /// <summary>The head of a GGUF file without tensors.</summary>
    private static byte[] GgufOfArchitecture(string architecture)
    {
        using var content = new MemoryStream();
        using var writer = new BinaryWriter(content);
        writer.Write("GGUF"u8);
        writer.Write(3);
        writer.Write(0L);
        writer.Write(1L);
        Text("general.architecture");
        writer.Write(8);
        Text(architecture);
        return content.ToArray();

        void Text(string text)
        {
            writer.Write((long)text.Length);
            writer.Write(System.Text.Encoding.ASCII.GetBytes(text));
        }
    }

    private static bool Finds(params string[] programs) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => programs.Any(program => File.Exists(Path.Combine(folder, program))));

    private Command Timed(string what, Func<Command> run)
    {
        var watch = Stopwatch.StartNew();
        var command = run();
        log.WriteLine($"{what}: {watch.Elapsed.TotalSeconds:F1} s");
        return command;
    }
}
