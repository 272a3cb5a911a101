using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace TinyLora.Errors;

/// <summary>Exceptions in one form: a bad file is named with the place, what was found and what was expected, in one line.</summary>
internal static class Throw
{
    // Names come from files that may be hostile: a message stays readable.
    private const int MaxPartLength = 200;

    /// <exception cref="InvalidDataException">Always.</exception>
    [DoesNotReturn]
    public static void BadFile(string path, string place, string found, string expected) => throw BadFileException(path, place, found, expected);

    /// <summary>What <see cref="BadFile"/> throws, for <c>throw</c> in an expression.</summary>
    public static InvalidDataException BadFileException(string path, string place, string found, string expected) =>
        new($"{path}: {Line(place)}: found {Line(found)}, expected {Line(expected)}.");

    /// <summary>The file asks for what this runtime does not do.</summary>
    /// <exception cref="InvalidDataException">Always.</exception>
    [DoesNotReturn]
    public static void NotSupported(string path, string what) => throw new InvalidDataException($"{path}: {Line(what)} is not supported.");

    /// <exception cref="InvalidDataException">Always.</exception>
    [DoesNotReturn]
    public static void Truncated(string path, string place, long position, ulong needed, long left) =>
        throw new InvalidDataException($"{path}: {place} at byte {position}: found {left} bytes to the end, expected {needed}.");

    /// <summary>What the JSON readers throw for bad text: JsonException, and InvalidOperationException for a string that is half of a surrogate pair.</summary>
    /// <exception cref="InvalidDataException">Always.</exception>
    [DoesNotReturn]
    public static void BadJson(string path, string place, Exception reason) =>
        throw new InvalidDataException($"{path}: {Line(place)}: found {Line(reason.Message)}, expected JSON.", reason);

    /// <summary>The text without line ends and other control characters, and not too long.</summary>
    private static string Line(string text)
    {
        var line = new StringBuilder(Math.Min(text.Length, MaxPartLength));
        foreach (var character in text)
        {
            if (line.Length == MaxPartLength) return line.Append("...").ToString();
            line.Append(char.IsControl(character) ? '?' : character);
        }
        return line.ToString();
    }
}
