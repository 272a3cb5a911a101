using TinyLora.Adapters;
using TinyLora.Tests.Goldens;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>Adapters in torch's pickle form.</summary>
public class TorchFileTests
{
    [SkippableTheory]
    [InlineData("bin-zip")]
    [InlineData("bin-legacy")]
    [InlineData("bin-views")]
    public void Each_form_holds_what_the_safetensors_file_holds(string name)
    {
        using var weights = ModelWeights.Open(Shared.Path("models/tinystories-656k"));
        using var expected = new LoraAdapter(Shared.Path("golden/peft/adapters/r16-all"));
        using var adapter = new LoraAdapter(Shared.Path($"golden/peft/pickled/{name}"));
        Assert.Equal(expected.Modules, adapter.Modules);
        Assert.Equal(Bound.Dump(expected, weights), Bound.Dump(adapter, weights));
    }

    [SkippableFact]
    public void A_pickle_that_calls_anything_is_refused()
    {
        var path = Shared.Path("golden/peft/pickled/bin-hostile");
        Assert.Contains("system", Assert.Throws<InvalidDataException>(() => new LoraAdapter(path)).Message);
    }
}
