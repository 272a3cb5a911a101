using TinyLora.Cli;

namespace TinyLora.Tests.Cli;

public class ClosedOutputTests
{
    [Fact]
    public void AProcessWithoutStandardOutputSaysSo()
    {
        CommandRun.With(() => Stream.Null, new ClosedOutput("it is closed"), ["--help"]).Refused(1, "it is closed");
        CommandRun.With(() => Stream.Null, new ClosedOutput("it is closed"), ["detokenize", "-m", CommandRun.Lantern, "743"]).Refused(1, "it is closed");
    }
}
