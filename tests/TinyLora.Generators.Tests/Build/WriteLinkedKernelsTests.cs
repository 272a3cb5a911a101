using System.Diagnostics;
using Microsoft.Build.Utilities;
using TinyLora.Build;

namespace TinyLora.Generators.Tests.Build;

/// <summary>The task on objects that the assembler made of what a native compiler would write.</summary>
public sealed class WriteLinkedKernelsTests : IDisposable
{
    private const string Program = "call v3.Kernels__Dot\n call v3.Kernels__Sum\n ret\n";

    private const string Kernels = """
        .section __managedcode,"ax",@progbits
        .globl Kernels__Dot, Kernels__Sum, Kernels__Tree
        .type Kernels__Dot,@function
        Kernels__Dot:
            vmovups __readonlydata_Kernels__Dot(%rip), %ymm0
            jmp 1f
        1:  ret
        .size Kernels__Dot,.-Kernels__Dot
        .p2align 4
        .type Kernels__Tree,@function
        Kernels__Tree: ret
        .size Kernels__Tree,.-Kernels__Tree
        .p2align 4
        .type Kernels__Sum,@function
        Kernels__Sum:
            .byte 0xE8
            .long 1b-1b + (Kernels__Tree - . - 4)
            {0}
            ret
        .size Kernels__Sum,.-Kernels__Sum
        .section .rodata
        .globl __readonlydata_Kernels__Dot, __readonlydata_next
        .p2align 5
        __readonlydata_Kernels__Dot: .float 1, 2, 3, 4, 5, 6, 7, 8
        __readonlydata_next: .long 9
        .data
        state: .long 1
        """;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [SkippableFact]
    public void Kernels_what_they_call_and_their_constants_are_taken_over()
    {
        var (run, output) = Link(Assemble("program", Program), Assemble("v3", string.Format(Kernels, "")));
        Assert.True(run.Succeeded, string.Join("; ", run.Errors.Select(error => error.Message)));
        var linked = ElfObject.Read(Assemble("linked", File.ReadAllText(output)));
        Assert.Equal(("v3.__readonlydata_Kernels__Dot", 32ul), (linked.Find("v3.Kernels__Dot")!.Relocations.Single().Target, linked.Find("v3.__readonlydata_Kernels__Dot")!.Length));
        Assert.Equal("v3.Kernels__Tree", linked.Find("v3.Kernels__Sum")!.Relocations.Single().Target);
        Assert.Equal(1ul, linked.Find("v3.Kernels__Tree")!.Length);
        Assert.NotNull(linked.Find("tinylora.xgetbv"));
        Assert.Null(linked.Find("v3.__readonlydata_next"));
    }

    [SkippableFact]
    public void What_is_no_leaf_is_refused_by_name()
    {
        var (run, output) = Link(Assemble("program", Program), Assemble("v3", string.Format(Kernels, "movl state(%rip), %eax")));
        Assert.False(run.Succeeded);
        Assert.Equal("TL0202", run.Errors.Single().Code);
        Assert.Contains("'Kernels__Sum' is no leaf", run.Errors.Single().Message);
        Assert.False(File.Exists(output));
    }

    [SkippableFact]
    public void A_kernel_that_is_missing_is_named()
    {
        var (run, _) = Link(Assemble("program", Program + "call v3.Kernels__Other\n"), Assemble("v3", string.Format(Kernels, "")));
        Assert.Contains("does not define 'Kernels__Other'", run.Errors.Single().Message);
    }

    [SkippableFact]
    public void Damaged_objects_are_refused()
    {
        var whole = File.ReadAllBytes(Assemble("v3", string.Format(Kernels, "")));
        var program = Assemble("program", Program);
        var random = new Random(1);
        var damaged = Path.Combine(_folder.FullName, "damaged.o");
        for (var i = 0; i < 300; i++)
        {
            var bytes = whole.AsSpan(0, i % 3 == 0 ? random.Next(whole.Length) : whole.Length).ToArray();
            for (var j = random.Next(4); j >= 0 && bytes.Length > 0; j--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(damaged, bytes);
            // An error or, where the damage is in what is not read, none; never an exception.
            Assert.All(Link(program, damaged).Run.Errors, error => Assert.Equal("TL0202", error.Code));
        }
    }

    private (TaskRun Run, string Output) Link(string program, string level)
    {
        var output = Path.Combine(_folder.FullName, "kernels.s");
        var item = new TaskItem(level);
        item.SetMetadata("Level", "v3");
        return (new TaskRun(new WriteLinkedKernels { Program = program, Levels = [item], Output = output }), output);
    }

    private string Assemble(string name, string text)
    {
        var (source, target) = (Path.Combine(_folder.FullName, name + ".s"), Path.Combine(_folder.FullName, name + ".o"));
        File.WriteAllText(source, text);
        Skip.IfNot(OperatingSystem.IsLinux() && System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64, "writes ELF for x64");
        try
        {
            using var assembler = Process.Start("as", [source, "-o", target]);
            assembler.WaitForExit();
            Assert.Equal(0, assembler.ExitCode);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Skip.If(true, "there is no assembler");
        }
        return target;
    }
}
