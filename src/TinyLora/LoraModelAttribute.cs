namespace TinyLora;

/// <summary>
/// Makes the partial class a <see cref="Inference.Model"/> whose kernels are generated for the model that a manifest describes.
/// </summary>
/// <param name="manifest">File name of the manifest, as the build task or <c>tinylora manifest</c> writes it.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class LoraModelAttribute(string manifest) : Attribute
{
    /// <summary>File name of the manifest.</summary>
    public string Manifest { get; } = manifest;

    /// <summary>Ranks of adapters to generate kernels for; the manifest's where empty. Adapters of other ranks run on kernels whose rank is a parameter: the same bits, and faster than padding them.</summary>
    public int[] Ranks { get; set; } = [];
}
