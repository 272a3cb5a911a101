namespace TinyLora.Adapters;

/// <summary>Which biases of the base an adapter replaces (PEFT's <c>bias</c>).</summary>
internal enum TrainedBiases
{
    /// <summary>None, but for those of whole modules.</summary>
    None,
    /// <summary>Those of the projections that have LoRA.</summary>
    OfLora,
    /// <summary>All.</summary>
    All,
}

/// <summary>What a tensor of an adapter is that is neither an A nor a B.</summary>
internal enum AdapterPart
{
    /// <summary>[Out]: added with B t, times the scale and the scaling (<c>lora_bias</c>).</summary>
    BiasOfB,
    /// <summary>[Out]: stands in for the base's bias (<c>bias</c>).</summary>
    Bias,
    /// <summary>[Out], of the embedding [HiddenSize]: DoRA's row norms.</summary>
    Magnitude,
    /// <summary>A whole norm, projection, head or embedding that stands in for the base's (<c>modules_to_save</c>).</summary>
    Weight,
    /// <summary>[Tokens, HiddenSize]: rows of the embedding or the head (<c>trainable_token_indices</c>).</summary>
    TokenRows,
    /// <summary>A copy of the base's embedding or head, which PEFT stores beside LoRA on it.</summary>
    BaseCopy,
}
