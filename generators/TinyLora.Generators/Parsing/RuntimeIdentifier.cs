using TinyLora.Generators.Specs;

namespace TinyLora.Generators.Parsing;

/// <summary>The build's runtime identifier, such as linux-x64 or linux-musl-arm64.</summary>
internal static class RuntimeIdentifier
{
    /// <summary>The option by which the package's props show it to the generator.</summary>
    public const string Option = "build_property.RuntimeIdentifier";

    /// <summary>The processor that it names last.</summary>
    public static Processor Processor(string? identifier) =>
        identifier is null ? Specs.Processor.Any
        : identifier.EndsWith("-x64", StringComparison.OrdinalIgnoreCase) ? Specs.Processor.X64
        : identifier.EndsWith("-arm64", StringComparison.OrdinalIgnoreCase) ? Specs.Processor.Arm64
        : Specs.Processor.Any;
}
