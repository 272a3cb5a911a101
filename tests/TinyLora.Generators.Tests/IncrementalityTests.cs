using Microsoft.CodeAnalysis;
using static TinyLora.Generators.ModelGenerator;

namespace TinyLora.Generators.Tests;

public class IncrementalityTests
{
    private static readonly string[] AllSteps = [Steps.Manifests, Steps.Models, Steps.ModelFiles];

    [Fact]
    public void The_first_run_does_every_step()
    {
        var run = Fixtures.Run();
        Assert.All([.. AllSteps, Steps.Declarations], step => Assert.All(NotEmpty(run.Reasons(step)), reason => Assert.Equal(IncrementalStepRunReason.New, reason)));
    }

    [Theory]
    [InlineData("// A word about it.\n")]
    [InlineData("\n\n\n")]
    public void An_edit_above_the_declaration_redoes_nothing_after_it(string edit)
    {
        var run = Fixtures.Run().Edit(0, edit + Fixtures.Source);
        Assert.All(AllSteps, step => AssertKept(run, step));
    }

    [Fact]
    public void An_edit_in_another_file_redoes_nothing()
    {
        var run = new GeneratorRun([Fixtures.Source, "class Other { int x = 1; }"], true, (Fixtures.ManifestPath, Fixtures.ManifestJson));
        run.Edit(1, "class Other { int x = 2; void M() { } }");
        Assert.All([.. AllSteps, Steps.Declarations, Steps.Flaws], step => AssertKept(run, step, mayBeEmpty: step == Steps.Flaws));
    }

    [Fact]
    public void White_space_in_the_manifest_redoes_only_its_reading()
    {
        var run = Fixtures.Run().EditText(Fixtures.ManifestPath, Fixtures.ManifestJson.Replace("\n", "\n\n"));
        Assert.All(AllSteps, step => AssertKept(run, step));
    }

    [Fact]
    public void A_flaw_that_moves_is_reported_at_its_new_place_and_redoes_no_model()
    {
        var flawed = Fixtures.Source + "\n[TinyLora.LoraModel(\"none.model.json\")] partial class None;";
        var run = Fixtures.Run(flawed);
        var line = Assert.Single(run.Diagnostics).Location.GetLineSpan().StartLinePosition.Line;
        run.Edit(0, "\n" + flawed);
        Assert.Equal(line + 1, Assert.Single(run.Diagnostics).Location.GetLineSpan().StartLinePosition.Line);
        Assert.All(AllSteps, step => AssertKept(run, step));
    }

    [Fact]
    public void A_new_rank_changes_only_the_files_that_depend_on_it()
    {
        var run = Fixtures.Run();
        var before = run.Files;
        run.Edit(0, Fixtures.Source.Replace("[8, 16]", "[8, 16, 32]"));
        Assert.Equal([IncrementalStepRunReason.Modified], run.Reasons(Steps.Models));
        AssertKept(run, Steps.Manifests);

        // A file with the same text as before is handed on as unchanged, so that the compiler does not parse it again.
        var files = run.Result.TrackedSteps[Steps.ModelFiles].Single().Outputs;
        Assert.All(files, output =>
        {
            var file = (Specs.GeneratedFile)output.Value;
            var same = before.TryGetValue(file.HintName, out var text) && text == file.Source;
            Assert.Equal(same, output.Reason is IncrementalStepRunReason.Unchanged or IncrementalStepRunReason.Cached);
        });
        string[] changed = [.. files.Where(output => output.Reason is IncrementalStepRunReason.Modified or IncrementalStepRunReason.New)
            .Select(output => ((Specs.GeneratedFile)output.Value).HintName)];
        Assert.Equal(["Game.Tiny.g.cs", "Game.Tiny.LoraUp32.g.cs"], changed);
    }

    [Fact]
    public void A_changed_class_leaves_the_other_models_cached()
    {
        const string other = "[TinyLora.LoraModel(\"tiny.model.json\")] partial class Other;";
        var run = new GeneratorRun([Fixtures.Source, other], true, (Fixtures.ManifestPath, Fixtures.ManifestJson));
        run.Edit(1, other.Replace("\")", "\", Ranks = [2])"));
        Assert.Equal(2, run.Reasons(Steps.Models).Length);
        Assert.Single(run.Reasons(Steps.Models), IncrementalStepRunReason.Modified);
    }

    [Fact]
    public void Another_system_with_the_same_processor_redoes_no_file()
    {
        var run = Fixtures.Run().BuildFor("linux-x64");
        Assert.Contains(IncrementalStepRunReason.Modified, run.Reasons(Steps.ModelFiles));
        Assert.All([Steps.Manifests, Steps.Declarations, Steps.Models], step => AssertKept(run, step));
        run.BuildFor("win-x64");
        Assert.All([.. AllSteps, Steps.Declarations], step => AssertKept(run, step));
    }

    private static void AssertKept(GeneratorRun run, string step, bool mayBeEmpty = false)
    {
        var reasons = run.Reasons(step);
        Assert.All(mayBeEmpty ? reasons : NotEmpty(reasons), reason =>
            Assert.True(reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, $"{step}: {reason}"));
    }

    private static IncrementalStepRunReason[] NotEmpty(IncrementalStepRunReason[] reasons)
    {
        Assert.NotEmpty(reasons);
        return reasons;
    }
}
