using System.Diagnostics;
using System.Runtime.InteropServices;

namespace TinyLora.Cli;

/// <summary>Where a command reads and writes: bytes, so that text is UTF-8 without a byte order mark on every machine.</summary>
internal sealed class Terminal(Func<Stream> openInput, Stream output, Stream error) : IDisposable
{
    // Who ends a process often tells it twice, itself and its group.
    private static readonly TimeSpan s_sameSignal = TimeSpan.FromMilliseconds(300);

    private readonly Lock _lock = new();
    private Stream? _input;
    private CancellationTokenSource? _work;
    private long _interrupted;
    private IDisposable? _termination;

    /// <summary>Standard input, opened at its first use: most commands need none.</summary>
    /// <exception cref="IOException">There is none.</exception>
    public Stream Input => _input ??= openInput();

    public Stream Output { get; } = output;

    public Stream Error { get; } = error;

    /// <summary>Whether the process was told to end.</summary>
    public bool IsEnding { get; private set; }

    /// <summary>Whether a person types the input.</summary>
    public bool IsInteractive { get; private init; }

    /// <summary>Standard input, output and error of the process; Ctrl-C and SIGTERM.</summary>
    public static Terminal OfProcess()
    {
        var terminal = new Terminal(Console.OpenStandardInput, Open(Console.OpenStandardOutput), Open(Console.OpenStandardError)) { IsInteractive = !Console.IsInputRedirected };
        Console.CancelKeyPress += (_, press) => press.Cancel = terminal.Interrupt();
        terminal._termination = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = terminal.End());
        return terminal;
    }

    /// <summary>Begins work that <see cref="Interrupt"/> ends; <see cref="EndWork"/> says that it is over.</summary>
    public CancellationToken BeginWork()
    {
        lock (_lock)
        {
            _work = new CancellationTokenSource();
            return _work.Token;
        }
    }

    /// <summary>What Ctrl-C does: ends the work at hand; false if there is none, or it was told already and still goes on.</summary>
    public bool Interrupt()
    {
        lock (_lock)
        {
            if (_interrupted != 0 && Stopwatch.GetElapsedTime(_interrupted) < s_sameSignal) return true;
            if (_work is not { IsCancellationRequested: false } work) return false;
            _interrupted = Stopwatch.GetTimestamp();
            work.Cancel();
            return true;
        }
    }

    /// <summary>What SIGTERM does: as Ctrl-C, and no other work begins.</summary>
    public bool End()
    {
        IsEnding = true;
        return Interrupt();
    }

    /// <summary>Ends what <see cref="BeginWork"/> began.</summary>
    public void EndWork()
    {
        lock (_lock)
        {
            _work?.Dispose();
            _work = null;
        }
    }

    /// <summary>The sign that a line may be typed, if anybody types.</summary>
    public void WritePrompt()
    {
        if (!IsInteractive) return;
        Output.Write("> "u8);
        Output.Flush();
    }

    /// <summary>All of standard input.</summary>
    /// <exception cref="UnusableInputException">It cannot be read.</exception>
    public byte[] ReadInput()
    {
        try
        {
            using var bytes = new MemoryStream();
            Input.CopyTo(bytes);
            return bytes.ToArray();
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(unreadable);
        }
    }

    /// <summary>The next line of a reader of <see cref="Input"/>; null at the end.</summary>
    /// <exception cref="UnusableInputException">It cannot be read.</exception>
    public static string? ReadLine(TextReader input)
    {
        try
        {
            return input.ReadLine();
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(unreadable);
        }
    }

    /// <summary>One line of text to standard output.</summary>
    public void WriteLine(string text) => Output.Write(Text.Utf8(text + "\n"));

    /// <summary>One line of text to standard error; nowhere, if that cannot be written.</summary>
    public void WriteError(string text)
    {
        try
        {
            Error.Write(Text.Utf8(text + "\n"));
            Error.Flush();
        }
        catch (Exception unwritable) when (unwritable is IOException or ObjectDisposedException)
        {
        }
    }

    private static Stream Open(Func<Stream> open)
    {
        try
        {
            return open();
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
        {
            return new ClosedOutput(closed.InnerException?.Message ?? closed.Message);
        }
    }

    private static UnusableInputException Unreadable(Exception reason) => new($"standard input cannot be read: {reason.Message}");

    public void Dispose()
    {
        _termination?.Dispose();
        _input?.Dispose();
        EndWork();
    }
}
