using TinyLora.Adapters;
using TinyLora.Numerics;
using TinyLora.Tests.Weights;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Adapters;

/// <summary>The layout for the kernels against the numbers that were written.</summary>
public sealed unsafe class BoundAdapterTests : IDisposable
{
    private static readonly int[] s_interleaved = [0, 2, 1, 3];

    private readonly string _folder = Directory.CreateTempSubdirectory("model").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Stacked_A_and_panels_of_B_hold_the_numbers_of_the_file(bool gguf)
    {
        using var files = TinyAdapter.Mixed();
        using var adapter = new LoraAdapter(files.Folder);
        using var weights = Model(gguf);
        using var bound = Bound.Bind(adapter, weights);
        Assert.Equal(5, bound.MaxRank);

        ref readonly var attention = ref bound.Site(0, LoraPlace.Attention);
        // F32 and F16 stacked are widened.
        CheckA(attention, ElementType.F32, 5, 8, [.. files.Numbers["q_proj"].A, .. files.Numbers["k_proj"].A]);
        CheckB(attention.First, ElementType.F16, 3, 0, 2f, files.Numbers["q_proj"].B, 8, gguf);
        CheckB(attention.Second, ElementType.F32, 2, 3, 3f, files.Numbers["k_proj"].B, 4, gguf);
        Assert.True(attention.Third.B == null);

        ref readonly var mlp = ref bound.Site(0, LoraPlace.Mlp);
        CheckA(mlp, ElementType.BF16, 4, 8, [.. files.Numbers["gate_proj"].A, .. files.Numbers["up_proj"].A]);
        CheckB(mlp.First, ElementType.BF16, 3, 0, 2f, files.Numbers["gate_proj"].B, 12, false);
        CheckB(mlp.Second, ElementType.F32, 1, 3, 6f, files.Numbers["up_proj"].B, 12, false);

        ref readonly var down = ref bound.Site(0, LoraPlace.Down);
        CheckA(down, ElementType.F16, 3, 12, files.Numbers["down_proj"].A);
        CheckB(down.First, ElementType.F16, 3, 0, 2f, files.Numbers["down_proj"].B, 8, false);
        Assert.Equal(0, bound.Site(0, LoraPlace.Output).Rank);
    }

    [Fact]
    public void The_two_orders_of_rows_undo_each_other()
    {
        // Head size 6: pairs (0, 3), (1, 4), (2, 5) become neighbours.
        Assert.Equal([0, 3, 1, 4, 2, 5, 6, 9], Enumerable.Range(0, 8).Select(r => RotaryRows.Source(r, 6, RotaryLayout.Halves)));
        for (var row = 0; row < 24; row++) Assert.Equal(row, RotaryRows.Source(RotaryRows.Source(row, 6, RotaryLayout.Halves), 6, RotaryLayout.Interleaved));
    }

    [Theory]
    [InlineData("self_attn.q_proj", 3, 9, 8, "9 inputs")]
    [InlineData("self_attn.k_proj", 2, 8, 8, "8 outputs")]
    [InlineData("mlp.down_proj", 3, 8, 8, "8 inputs")]
    public void Sizes_that_do_not_fit_are_named(string module, int rank, int inputs, int outputs, string found)
    {
        using var files = new TinyAdapter().Add(module, rank, inputs, outputs, ElementType.F32, ElementType.F32).Write();
        using var adapter = new LoraAdapter(files.Folder);
        using var weights = Model(false);
        var message = Assert.Throws<InvalidDataException>(() => Bound.Bind(adapter, weights)).Message;
        Assert.Contains(found, message);
        Assert.Contains(module, message);
        Assert.Equal(message, Assert.Throws<InvalidDataException>(() => adapter.CheckFits(weights)).Message);
    }

    private ModelWeights Model(bool gguf)
    {
        if (!gguf)
        {
            TinyModel.Folder(_folder);
            return ModelWeights.Open(_folder);
        }
        var path = Path.Combine(_folder, "model.gguf");
        File.WriteAllBytes(path, TinyModel.Gguf().ToArray());
        return ModelWeights.Open(path);
    }

    private static void CheckA(in LoraSite site, ElementType type, int rank, int columns, float[] expected)
    {
        Assert.Equal((type, rank, columns), (site.Type, site.Rank, site.Columns));
        Assert.Equal(Bound.FindKernel(type, rank, columns), site.Kernel);
        Assert.Equal(0, (nint)site.A % 64);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], Number(type, site.A, i));
    }

    private static void CheckB(in LoraProjection projection, ElementType type, int rank, int offset, float scaling, float[] b, int rows, bool interleaved)
    {
        Assert.Equal((type, rank, offset, scaling), (projection.Type, projection.Rank, projection.Offset, projection.Scaling));
        Assert.Equal(0, (nint)projection.B % 64);
        for (var row = 0; row < (rows + 7) / 8 * 8; row++)
            for (var j = 0; j < rank; j++)
            {
                var at = (row / 8 * rank + j) * 8 + row % 8;
                // Heads of four: rows 0 1 2 3 of the interleaved base are 0 2 1 3 of the file.
                var source = interleaved ? row / 4 * 4 + s_interleaved[row % 4] : row;
                Assert.Equal(row < rows ? b[source * rank + j] : 0f, Number(type, projection.B, at));
            }
    }

    private static float Number(ElementType type, byte* data, int index) => type switch
    {
        ElementType.F32 => ((float*)data)[index],
        ElementType.F16 => (float)((Half*)data)[index],
        _ => BitConverter.UInt32BitsToSingle((uint)((ushort*)data)[index] << 16),
    };
}
