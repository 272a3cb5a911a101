using System.Diagnostics;
using System.Text.RegularExpressions;
using TinyLora.Build;

namespace TinyLora.Generators.Tests.Build;

/// <summary>TinyLora.props and TinyLora.targets in MSBuild itself, in a project whose compiler only says what it is given.</summary>
public sealed class TargetsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void An_AOT_publish_for_x64_has_AVX2_or_a_warning()
    {
        (string Runtime, string Ours, string Apps, string Expected, bool Warns)[] cases =
        [
            ("linux-x64", "", "", "x86-64-v3", false),
            ("win-x64", "x86-64-v4", "", "x86-64-v4", false),
            ("linux-x64", "", "native", "native", false),
            ("linux-x64", "", "avx2,fma", "avx2,fma", false),
            ("linux-x64", "none", "x86-64-v3", "x86-64-v3", false),
            ("linux-x64", "none", "", "", true),
            ("linux-x64", "all", "", "", false),
            ("linux-x64", "all", "x86-64-v3", "x86-64-v3", false),
            ("linux-x64", "", "x86-64-v2", "x86-64-v2", true),
            ("linux-x64", "x86-64-v2", "", "x86-64-v2", true),
            ("linux-x64", "", "avx", "avx", true),
            ("linux-arm64", "", "", "", false),
            ("osx-arm64", "none", "armv8.2-a", "armv8.2-a", false),
        ];
        var properties = string.Concat(cases.Select((given, i) => $"""

            <RuntimeIdentifier Condition="'$(Case)' == '{i}'">{given.Runtime}</RuntimeIdentifier>
            <TinyLoraInstructionSet Condition="'$(Case)' == '{i}'">{given.Ours}</TinyLoraInstructionSet>
            <IlcInstructionSet Condition="'$(Case)' == '{i}'">{given.Apps}</IlcInstructionSet>
            """));
        var output = Build($"<Case Include=\"{string.Join(';', cases.Select((_, i) => i))}\" />", "EveryCase", "<PublishAot>true</PublishAot>" + properties);

        // What a case says stands after the case before it has ended.
        var said = Regex.Split(output, @"IlcInstructionSet=\[(.*)\]");
        Assert.Equal((2 * cases.Length) + 1, said.Length);
        for (var i = 0; i < cases.Length; i++)
        {
            Assert.Equal(cases[i].Expected, said[(2 * i) + 1]);
            Assert.Equal(cases[i].Warns, said[2 * i].Contains($"warning TL0201: IlcInstructionSet='{cases[i].Expected}'", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_build_without_AOT_chooses_nothing() =>
        Assert.Contains("IlcInstructionSet=[]", Build("", "WriteIlcRspFileForCompilation", "<RuntimeIdentifier>linux-x64</RuntimeIdentifier>"));

    [Fact]
    public void A_project_without_models_is_left_alone()
    {
        Assert.Contains("AdditionalFiles=[]", Build("", "CoreCompile"));
        Assert.False(Directory.Exists(Path.Combine(_folder.FullName, "obj")));
    }

    [Fact]
    public void A_missing_model_is_an_error_of_the_project()
    {
        var output = Build("<LoraModel Include=\"models/none.gguf\" Ranks=\"8\" />", "CoreCompile", fails: true);
        Assert.Contains("Game.proj : error TL0101: LoraModel 'models/none.gguf': there is no such file or folder", output);
    }

    [SkippableFact]
    public void Models_become_additional_files_of_the_compiler()
    {
        var gguf = Fixtures.Shared("models/lantern/lantern-3m-Q8_0.gguf");
        var folder = Fixtures.Shared("models/lantern/hf");
        var output = Build($"""
            <LoraModel Include="{gguf}" Ranks="8;16" />
            <LoraModel Include="{folder}/" />
            <LoraModel Include="{folder}" Manifest="lantern.model.json" />
            """, "CoreCompile");
        Assert.Contains("AdditionalFiles=[obj/lantern-3m-Q8_0.model.json;obj/hf.model.json;obj/lantern.model.json]", output);
        Assert.Matches(@"""ranks"": \[\s*8,\s*16\s*\]", File.ReadAllText(Path.Combine(_folder.FullName, "obj", "lantern-3m-Q8_0.model.json")));
    }

    [SkippableFact]
    public void Manifests_are_made_again_only_when_something_changed()
    {
        var copy = Path.Combine(_folder.FullName, "lantern.gguf");
        File.Copy(Fixtures.Shared("models/lantern/lantern-3m-Q8_0.gguf"), copy);
        const string items = "<LoraModel Include=\"lantern.gguf\" Ranks=\"8\" />";
        Assert.Contains("Wrote 'obj/lantern.model.json'", Build(items, "CoreCompile"));
        const string skipped = "Skipping target \"TinyLoraWriteManifests\"";
        var again = Build(items, "CoreCompile");
        Assert.Contains(skipped, again);
        Assert.Contains("AdditionalFiles=[obj/lantern.model.json]", again);

        Assert.Contains("Wrote 'obj/lantern.model.json'", Build(items.Replace("8", "4"), "CoreCompile"));
        File.SetLastWriteTimeUtc(copy, DateTime.UtcNow.AddSeconds(2));
        var touched = Build(items.Replace("8", "4"), "CoreCompile");
        Assert.DoesNotContain(skipped, touched);
        Assert.DoesNotContain("Wrote", touched);
        File.Delete(Path.Combine(_folder.FullName, "obj", "lantern.model.json"));
        Assert.Contains("Wrote 'obj/lantern.model.json'", Build(items.Replace("8", "4"), "CoreCompile"));

        var design = Build(items.Replace("8", "2"), "CoreCompile", "<DesignTimeBuild>true</DesignTimeBuild>");
        Assert.Contains("AdditionalFiles=[obj/lantern.model.json]", design);
        Assert.DoesNotContain("Wrote", design);
    }

    private string Build(string items, string target, string properties = "", bool fails = false)
    {
        var targets = Path.Combine(Fixtures.Repository().FullName, "src", "TinyLora", "build", "TinyLora");
        var project = Path.Combine(_folder.FullName, "Game.proj");
        var text = $"""
            <Project>
              <PropertyGroup>
                {properties}
                <IntermediateOutputPath>obj/</IntermediateOutputPath>
                <TinyLoraTaskAssembly>{typeof(WriteModelManifests).Assembly.Location}</TinyLoraTaskAssembly>
              </PropertyGroup>
              <Import Project="{targets}.props" />
              <ItemGroup>{items}</ItemGroup>
              <Import Project="{targets}.targets" />
              <Target Name="CoreCompile"><Message Importance="high" Text="AdditionalFiles=[@(AdditionalFiles)]" /></Target>
              <Target Name="WriteIlcRspFileForCompilation"><Message Importance="high" Text="IlcInstructionSet=[$(IlcInstructionSet)]" /></Target>
              <Target Name="EveryCase"><MSBuild Projects="$(MSBuildProjectFile)" Targets="WriteIlcRspFileForCompilation" Properties="Case=%(Case.Identity)" /></Target>
            </Project>
            """;
        if (!File.Exists(project) || File.ReadAllText(project) != text) File.WriteAllText(project, text);

        var start = new ProcessStartInfo("dotnet", ["msbuild", project, "-nologo", "-t:" + target, "-v:normal", "-m:1", "-nodeReuse:false", "-tl:off", "-clp:NoSummary"])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = _folder.FullName,
        };

        // The test's own host was started by MSBuild, whose variables would lead this one astray.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray()) start.Environment.Remove(name);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(fails ? process.ExitCode != 0 : process.ExitCode == 0, output);
        return output;
    }
}
