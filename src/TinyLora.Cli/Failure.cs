namespace TinyLora.Cli;

/// <summary>An exception in one line.</summary>
internal static class Failure
{
    public static string Describe(Exception failure)
    {
        // What a static field's initialisation threw, such as the choice of the instruction set.
        while (failure is TypeInitializationException { InnerException: { } inner }) failure = inner;
        var message = failure switch
        {
            ArgumentException argument => WithoutParameter(argument),
            OutOfMemoryException => "not enough memory.",
            _ => failure.Message,
        };
        var line = Text.OneLine(message);
        return line.Length > 0 ? line : failure.GetType().Name;
    }

    private static string WithoutParameter(ArgumentException failure)
    {
        var end = failure.Message.LastIndexOf(" (Parameter '", StringComparison.Ordinal);
        return failure.ParamName != null && end > 0 ? failure.Message[..end] : failure.Message;
    }
}
