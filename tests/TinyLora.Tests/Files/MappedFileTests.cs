using TinyLora.Files;
using Xunit;

namespace TinyLora.Tests.Files;

public sealed unsafe class MappedFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tinylora-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Bytes_are_those_of_the_file()
    {
        var path = Path.Combine(_folder, "three");
        File.WriteAllBytes(path, [1, 2, 3]);
        using var file = new MappedFile(path);
        Assert.Equal(3, file.Length);
        Assert.Equal([1, 2, 3], new ReadOnlySpan<byte>(file.Pointer, 3).ToArray());
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => (nint)file.Pointer);
    }

    [Fact]
    public void An_empty_file_is_mapped_as_nothing()
    {
        var path = Path.Combine(_folder, "empty");
        File.WriteAllBytes(path, []);
        using var file = new MappedFile(path);
        Assert.Equal(0, file.Length);
        Assert.True(file.Pointer == null);
    }

    [Fact]
    public void A_missing_file_is_not_found()
    {
        var missing = Path.Combine(_folder, "missing");
        Assert.Contains(missing, Assert.Throws<FileNotFoundException>(() => new MappedFile(missing)).Message);
    }

    [Fact]
    public void A_folder_is_no_file() => Assert.Contains("directory", Assert.Throws<InvalidDataException>(() => new MappedFile(_folder)).Message);
}
