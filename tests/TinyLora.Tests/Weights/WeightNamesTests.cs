using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Weights;

public class WeightNamesTests
{
    [Fact]
    public void Every_name_is_read_as_what_it_was_written_for()
    {
        foreach (var kind in WeightNames.Kinds)
            foreach (var layer in WeightNames.IsOfLayer(kind) ? new[] { 0, 7, 10, 123 } : [0])
                foreach (var name in (string[])[WeightNames.Gguf(kind, layer), WeightNames.HuggingFace(kind, layer)])
                {
                    Assert.True(WeightNames.TryParse(name, out var foundKind, out var foundLayer));
                    Assert.Equal((kind, layer), (foundKind, foundLayer));
                }
        Assert.Equal(Enum.GetValues<WeightKind>(), WeightNames.Kinds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("blk.attn_q")]
    [InlineData("blk..attn_q")]
    [InlineData("blk.01.attn_q")]
    [InlineData("blk.-1.attn_q")]
    [InlineData("blk.99999999999.attn_q")]
    [InlineData("blk.0.attn_q.weight")]
    [InlineData("layers.0.self_attn.q_proj")]
    public void Other_names_are_not_read(string name) => Assert.False(WeightNames.TryParse(name, out _, out _));
}
