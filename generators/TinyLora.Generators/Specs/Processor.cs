namespace TinyLora.Generators.Specs;

/// <summary>The processor that a build is for.</summary>
internal enum Processor : byte
{
    /// <summary>Not known: the build has no runtime identifier, or one that names neither of the others.</summary>
    Any,
    X64,
    Arm64,
}
