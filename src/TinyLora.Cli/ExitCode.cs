namespace TinyLora.Cli;

/// <summary>How the process ends.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>Input that cannot be used; one line on standard error says why.</summary>
    public const int UnusableInput = 1;

    /// <summary>Options that are wrong.</summary>
    public const int WrongUsage = 2;

    /// <summary>Ctrl-C: 128 + SIGINT, as shells say it.</summary>
    public const int Interrupted = 130;
}
