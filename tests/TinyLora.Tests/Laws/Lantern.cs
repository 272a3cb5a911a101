namespace TinyLora.Tests.Laws;

/// <summary>The model of the samples with kernels generated for it.</summary>
[LoraModel("lantern-3m-Q8_0.model.json")]
internal sealed partial class Lantern;
