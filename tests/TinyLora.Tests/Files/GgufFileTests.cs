using System.Text;
using TinyLora.Files;
using TinyLora.Numerics;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Files;

public sealed class GgufFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Every_type_of_metadata_is_read()
    {
        var writer = new GgufWriter()
            .Key("u8", GgufValueType.UInt8, w => w.Write((byte)200))
            .Key("i8", GgufValueType.Int8, w => w.Write((sbyte)-100))
            .Key("u16", GgufValueType.UInt16, w => w.Write((ushort)60000))
            .Key("i16", GgufValueType.Int16, w => w.Write((short)-30000))
            .Key("u32", GgufValueType.UInt32, w => w.Write(4000000000u))
            .Key("i32", GgufValueType.Int32, w => w.Write(-2000000000))
            .Key("u64", GgufValueType.UInt64, w => w.Write(9000000000000000000ul))
            .Key("i64", GgufValueType.Int64, w => w.Write(-9000000000000000000L))
            .Key("f32", GgufValueType.Float32, w => w.Write(1.5f))
            .Key("f64", GgufValueType.Float64, w => w.Write(-2.5))
            .Key("bool", GgufValueType.Boolean, w => w.Write((byte)1))
            .Key("string", GgufValueType.String, w => GgufWriter.Text(w, "über"))
            .Key("u64 too large", GgufValueType.UInt64, w => w.Write(ulong.MaxValue))
            .Key("floats", GgufValueType.Array, w => { w.Write((uint)GgufValueType.Float32); w.Write(2ul); w.Write(0.5f); w.Write(-0.5f); })
            .Key("strings", GgufValueType.Array, w => { w.Write((uint)GgufValueType.String); w.Write(3ul); GgufWriter.Text(w, "a"); GgufWriter.Text(w, ""); GgufWriter.Text(w, "bc"); });
        using var file = Open(writer);
        Assert.Equal(3, file.Version);
        Assert.Equal(15, file.Keys.Count);
        foreach (var (key, value) in new[] { ("u8", 200L), ("i8", -100), ("u16", 60000), ("i16", -30000), ("u32", 4000000000), ("i32", -2000000000), ("u64", 9000000000000000000), ("i64", -9000000000000000000) })
        {
            Assert.True(file.TryGetInteger(key, out var found));
            Assert.Equal(value, found);
        }
        Assert.True(file.TryGetNumber("f32", out var single) && single == 1.5);
        Assert.True(file.TryGetNumber("f64", out var number) && number == -2.5);
        Assert.True(file.TryGetBoolean("bool", out var boolean) && boolean);
        Assert.True(file.TryGetString("string", out var text) && text == "über");
        Assert.True(file.TryGetUtf8("string", out var utf8) && utf8.SequenceEqual("über"u8));
        Assert.True(file.TryGetArray("floats", out var floats));
        Assert.Equal([0.5f, -0.5f], floats.As<float>().ToArray());
        Assert.True(file.TryGetArray("strings", out var strings));
        var list = new List<string>();
        foreach (var item in strings.GetStrings()) list.Add(Encoding.UTF8.GetString(item));
        Assert.Equal(["a", "", "bc"], list);
        Assert.Equal(GgufValueType.Int16, file.TypeOf("i16"));
        Assert.Null(file.TypeOf("missing"));
        Assert.False(file.TryGetInteger("missing", out _));
        Assert.False(file.TryGetArray("missing", out _));

        Assert.Contains("u64 too large", Assert.Throws<InvalidDataException>(() => file.TryGetInteger("u64 too large", out _)).Message);
        Assert.Throws<InvalidDataException>(() => file.TryGetInteger("f32", out _));
        Assert.Throws<InvalidDataException>(() => file.TryGetInteger("bool", out _));
        Assert.Throws<InvalidDataException>(() => file.TryGetNumber("u32", out _));
        Assert.Throws<InvalidDataException>(() => file.TryGetBoolean("u8", out _));
        Assert.Throws<InvalidDataException>(() => file.TryGetString("u8", out _));
        Assert.Throws<InvalidDataException>(() => file.TryGetArray("u8", out _));
        Assert.Throws<InvalidDataException>(() => floats.As<int>().Length);
        Assert.Throws<InvalidDataException>(() => floats.GetStrings().MoveNext());
        Assert.Throws<InvalidDataException>(() => strings.As<float>().Length);
    }

    [Fact]
    public void Strings_are_walked_without_allocation()
    {
        using var file = Open(new GgufWriter().Key("strings", GgufValueType.Array, w =>
        {
            w.Write((uint)GgufValueType.String);
            w.Write(1000ul);
            for (var i = 0; i < 1000; i++) GgufWriter.Text(w, new string('x', i));
        }));
        Assert.True(file.TryGetArray("strings", out var strings));
        Walk(strings);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var bytes = Walk(strings);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(999 * 1000 / 2, bytes);

        static long Walk(GgufArray strings)
        {
            var bytes = 0L;
            foreach (var text in strings.GetStrings()) bytes += text.Length;
            return bytes;
        }
    }

    [SkippableFact]
    public void Tensors_have_their_shapes_outermost_first()
    {
        using var file = GgufFile.Open(Shared.Path("golden/gguf/models/llama-64-Q4_0.gguf"));
        Assert.True(file.TryGetTensor("blk.0.ffn_down.weight", out var tensor));
        Assert.Equal("Q4_0", tensor.TypeName);
        Assert.Equal(ElementType.Q4_0, tensor.Type);
        Assert.Equal([64, 96], tensor.Shape);
        Assert.Equal(64 * 96, tensor.ElementCount);
        Assert.Equal(64 * 96 / 32 * 18, tensor.ByteCount);
        Assert.False(file.TryGetTensor("missing", out _));
        Assert.All(file.Tensors, entry => Assert.Equal(0, entry.Offset % file.Alignment));
    }

    [Fact]
    public void A_split_file_is_refused_by_name()
    {
        Assert.Contains("split.count", Refuse(new GgufWriter().Key("split.count", GgufValueType.UInt16, w => w.Write((ushort)2))));
        Open(new GgufWriter().Key("split.count", GgufValueType.UInt16, w => w.Write((ushort)1))).Dispose();
    }

    [Fact]
    public void A_big_endian_file_is_refused_by_name() => Assert.Contains("big-endian", Refuse(new GgufWriter { Version = 0x03000000 }));

    [Fact]
    public void A_message_stays_in_one_line() =>
        Assert.DoesNotContain('\n', Refuse(new GgufWriter().Key("two\nlines", (GgufValueType)99, _ => { })));

    private GgufFile Open(GgufWriter writer)
    {
        File.WriteAllBytes(_path, writer.ToArray());
        return GgufFile.Open(_path);
    }

    private string Refuse(GgufWriter writer)
    {
        File.WriteAllBytes(_path, writer.ToArray());
        return Assert.Throws<InvalidDataException>(() => GgufFile.Open(_path)).Message;
    }
}
