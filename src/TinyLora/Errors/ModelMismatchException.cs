namespace TinyLora.Errors;

/// <summary>The file is sound, but it is not the model that the program was compiled for. All differences are listed at once.</summary>
public sealed class ModelMismatchException : Exception
{
    /// <param name="path">The model's path.</param>
    /// <param name="mismatches">One entry a difference: what, found, expected.</param>
    public ModelMismatchException(string path, IReadOnlyList<string> mismatches)
        : base($"{path} is not the model that this program was compiled for: {string.Join("; ", mismatches)}.")
    {
        Path = path;
        Mismatches = mismatches;
    }

    /// <summary>The model's path.</summary>
    public string Path { get; }

    /// <summary>One entry a difference: what, found, expected.</summary>
    public IReadOnlyList<string> Mismatches { get; }
}
