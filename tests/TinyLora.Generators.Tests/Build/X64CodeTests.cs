using TinyLora.Build;

namespace TinyLora.Generators.Tests.Build;

public class X64CodeTests
{
    /// <summary>Instructions with what follows the opcode in every form, as an assembler writes them.</summary>
    public static TheoryData<string, string> Instructions => new()
    {
        { "push rbp", "55" },
        { "sub rsp, 0x18", "4883EC18" },
        { "lea rbp, [rsp+0x30]", "488D6C2430" },
        { "mov eax, [rsp+rcx*8+0x12345678]", "8B84CC78563412" },
        { "mov eax, [rcx*8+0x12345678]", "8B04CD78563412" },
        { "mov rax, 0x1122334455667788", "48B88877665544332211" },
        { "mov ax, 0x1234", "66B83412" },
        { "test ecx, 0x100", "F7C100010000" },
        { "not ecx", "F7D1" },
        { "test byte [rax], 1", "F60001" },
        { "add word [rax], 0x1234", "6681003412" },
        { "imul eax, ecx, 100000", "69C1A0860100" },
        { "nop of nine bytes", "660F1F840000000000" },
        { "popcnt eax, ecx", "F30FB8C1" },
        { "movbe eax, [rcx]", "0F38F001" },
        { "pshufd xmm0, xmm1, 0x1b", "660F70C11B" },
        { "roundps xmm0, xmm1, 2", "660F3A08C102" },
        { "vzeroupper", "C5F877" },
        { "vmovups ymm0, [rdi+r9*4]", "C4A17C10048F" },
        { "vpshufd ymm0, ymm1, 0x1b", "C5FD70C11B" },
        { "vpermq ymm0, ymm1, 0xd8", "C4E3FD00C1D8" },
        { "vfmadd231ps ymm0, ymm1, [rsi+0x20]", "C4E275B84620" },
        { "vpmaddubsw zmm0, zmm1, [rsi+0x40]", "62F27548044601" },
        { "vpermi2d zmm0, zmm1, zmm2", "62F2754876C2" },
        { "vpternlogd zmm0, zmm1, zmm2, 0x96", "62F3754825C296" },
        { "vmovdqu8 zmm0{k1}{z}, [rsi]", "62F17FC96F06" },
        { "kmovw k1, eax", "C5F892C8" },
        { "shlx eax, ecx, edx", "C4E269F7C1" },
        { "ret", "C3" },
    };

    [Theory]
    [MemberData(nameof(Instructions))]
    public void An_instructions_length_is_found(string what, string hex)
    {
        // A short jump over it tells where it ends: to one byte later or earlier none would lead.
        var instruction = Convert.FromHexString(hex);
        Assert.True(X64Code.Displacements([0xEB, (byte)instruction.Length, .. instruction, 0xC3]).Count == 0, what);
        if (instruction.Length > 1) Assert.Throws<InvalidDataException>(() => X64Code.Displacements([0xEB, (byte)(instruction.Length - 1), .. instruction, 0xC3]));
    }

    [Fact]
    public void Branches_and_operands_beyond_the_function_are_listed()
    {
        var found = X64Code.Displacements(Convert.FromHexString(
            "E800000100" // call
            + "0F8400000100" // je
            + "0F84EFFFFFFF" // je to the call: its own
            + "C4E17C100500000100" // vmovups ymm0, [rip+0x10000]
            + "488D05DFFFFFFF" // lea rax, [rip-0x21]: the call, its own
            + "E900000100")); // jmp
        Assert.Equal([new(1, true), new(7, true), new(22, false), new(34, true)], found);
    }

    [Theory]
    [InlineData("06")] // of 32-bit code
    [InlineData("E80000")] // cut off
    [InlineData("C4E1")]
    [InlineData("EB01E800000000")] // into an instruction
    public void What_is_no_code_is_refused(string hex) => Assert.Throws<InvalidDataException>(() => X64Code.Displacements(Convert.FromHexString(hex)));
}
