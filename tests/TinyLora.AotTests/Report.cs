using System.Globalization;
using TinyLora.Kernels;

namespace TinyLora.AotTests;

/// <summary>
/// Runs checks and prints one line for each: <c>ok NAME</c>, <c>skipped NAME: reason</c> or <c>FAILED NAME: what</c>.
/// A check of an instruction set's kernels is named <c>GROUP/INSTRUCTION-SET/what</c>, by which scripts count what ran on which of them.
/// </summary>
internal sealed class Report(TextWriter output)
{
    public int PassedCount { get; private set; }
    public int FailedCount { get; private set; }
    public int SkippedCount { get; private set; }

    /// <summary>Runs a check of a group; it passes if it returns.</summary>
    public void Run(string group, string name, Action check) => Run($"{group}/{name}", check);

    /// <summary>
    /// Runs a check of one instruction set's kernels: skipped, not passed, where processor or build lacks it, and left out on the other architecture.
    /// </summary>
    public void Run(string group, InstructionSet instructionSet, string name, Action check)
    {
        if (!Machine.MayHave(instructionSet))
            return;
        Run($"{group}/{instructionSet.Name}/{name}", () =>
        {
            if (!instructionSet.IsSupported)
                throw new CheckSkippedException("the processor or this build does not have it");
            check();
        });
    }

    /// <summary>Prints a fact that is neither right nor wrong.</summary>
    public void Note(string text) => output.WriteLine($"# {text}");

    /// <summary>Prints the last line, <c>N passed, N failed, N skipped</c>.</summary>
    /// <returns>The exit code: 1 if a check failed or none passed.</returns>
    public int Close()
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{PassedCount} passed, {FailedCount} failed, {SkippedCount} skipped"));
        output.Flush();
        return FailedCount == 0 && PassedCount > 0 ? 0 : 1;
    }

    private void Run(string name, Action check)
    {
        try
        {
            check();
            PassedCount++;
            output.WriteLine($"ok {name}");
        }
        catch (CheckSkippedException skipped)
        {
            SkippedCount++;
            output.WriteLine($"skipped {name}: {skipped.Message}");
        }
        catch (Exception failure)
        {
            FailedCount++;
            var kind = failure is CheckFailedException ? "" : failure.GetType().Name + ": ";
            output.WriteLine($"FAILED {name}: {kind}{failure.Message.ReplaceLineEndings(" ")}");
        }
        // An emulator that dies keeps what was flushed.
        output.Flush();
    }
}
