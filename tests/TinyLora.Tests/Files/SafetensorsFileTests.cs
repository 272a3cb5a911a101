using System.Text;
using TinyLora.Files;
using TinyLora.Numerics;
using Xunit;

namespace TinyLora.Tests.Files;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinylora-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public unsafe void Tensors_and_metadata_are_those_of_the_file()
    {
        var path = Path.Combine(_folder, "a");
        new SafetensorsWriter().Metadata("format", "pt").Tensor("ids", "I64", [1], BitConverter.GetBytes(7L)).Tensor("w", "BF16", [2, 1], [1, 2, 3, 4]).Write(path);
        using var file = SafetensorsFile.Open(path);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(["ids", "w"], file.Tensors.Select(tensor => tensor.Name));
        Assert.True(file.TryGetTensor("ids", out var ids));
        Assert.Null(ids.Type);
        Assert.Equal("I64", ids.TypeName);
        Assert.Equal(7, *(long*)ids.Data);
        Assert.True(file.TryGetTensor("w", out var w));
        Assert.Equal(ElementType.BF16, w.Type);
        Assert.Equal([2, 1], w.Shape);
        Assert.Equal(4, w.ByteCount);
        Assert.Equal(4, w.Data[3]);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2, "twice")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2, "data from 0")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}""", 3, "data from 2")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 2, "2 bytes")]
    [InlineData("""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 1, "an end at 2")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}""", 1, "begin and end")]
    [InlineData("""{"a":{"dtype":"U9","shape":[1],"data_offsets":[0,1]}}""", 1, "U9")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}""", 1, "4 bits")]
    [InlineData("""{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}""", 1, "no size")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}""", 1, "no size")]
    [InlineData("""{"a":{"dtype":"U8","shape":[1]}}""", 1, "no data_offsets")]
    [InlineData("""{"a":[]}""", 0, "StartArray")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "Number")]
    [InlineData("""{"\ud800":1}""", 0, "JSON")]
    [InlineData("""{} x""", 0, "JSON")]
    public void What_the_reference_refuses_is_refused(string header, int bytes, string reason)
    {
        var path = Path.Combine(_folder, "a");
        var json = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. new byte[bytes]]);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path)).Message);
    }

    [Fact]
    public void Deep_json_does_not_overflow_the_stack()
    {
        var path = Path.Combine(_folder, "a");
        var json = Encoding.UTF8.GetBytes("{\"a\":{\"x\":" + new string('[', 100_000));
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)json.Length), .. json]);
        Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path));
    }

    [Fact]
    public void Shards_are_one_folder()
    {
        new SafetensorsWriter().Tensor("a", 2).Write(Path.Combine(_folder, "one.safetensors"));
        new SafetensorsWriter().Tensor("b", 3).Write(Path.Combine(_folder, "two.safetensors"));
        WriteIndex("""{"metadata":{"total_size":20},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}""");
        using var folder = SafetensorsFolder.Open(_folder);
        Assert.Equal(2, folder.Tensors.Count);
        Assert.True(folder.TryGetTensor("b", out var b));
        Assert.Equal([3], b.Shape);
        Assert.EndsWith("two.safetensors", b.Path);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../one.safetensors"}}""", "../one.safetensors")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "/etc/passwd")]
    [InlineData("""{"weight_map":{"a":"c:\\one.safetensors"}}""", "c:\\one.safetensors")]
    [InlineData("""{"weight_map":{"a":".."}}""", "'..'")]
    [InlineData("""{"weight_map":{"a":7}}""", "Number")]
    [InlineData("""{"weight_map":{"b":"one.safetensors"}}""", "no such tensor")]
    [InlineData("""{"weight_map":{"a":"one.safetensors","a":"one.safetensors"}}""", "twice")]
    [InlineData("""{"weight_map":{}}""", "no tensors")]
    [InlineData("""{"weight":{}}""", "nothing")]
    [InlineData("""[]""", "StartArray")]
    [InlineData("""{""", "JSON")]
    [InlineData("", "JSON")]
    public void A_bad_index_is_refused(string index, string reason)
    {
        new SafetensorsWriter().Tensor("a", 2).Write(Path.Combine(_folder, "one.safetensors"));
        WriteIndex(index);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => SafetensorsFolder.Open(_folder)).Message);
    }

    [Fact]
    public void A_missing_shard_is_named()
    {
        WriteIndex("""{"weight_map":{"a":"gone.safetensors"}}""");
        Assert.Contains("gone.safetensors", Assert.Throws<FileNotFoundException>(() => SafetensorsFolder.Open(_folder)).Message);
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        new SafetensorsWriter().Tensor("a", 2).Write(Path.Combine(_folder, "one.safetensors"));
        new SafetensorsWriter().Tensor("a", 2).Tensor("b", 3).Write(Path.Combine(_folder, "two.safetensors"));
        WriteIndex("""{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}""");
        Assert.Contains("one.safetensors", Assert.Throws<InvalidDataException>(() => SafetensorsFolder.Open(_folder)).Message);
    }

    private void WriteIndex(string json) => File.WriteAllText(Path.Combine(_folder, SafetensorsFolder.IndexName), json);
}
