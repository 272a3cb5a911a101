using System.Text;
using TinyLora.Files;
using Xunit;

namespace TinyLora.Tests.Files;

/// <summary>Sound files with a few bytes changed: they open, or are refused as damaged, and nothing else happens.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int Rounds = 4000;

    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Changed_gguf_files_open_or_are_refused()
    {
        var sound = new GgufWriter()
            .Key("general.architecture", "llama")
            .Key("general.alignment", 32u)
            .Key("llama.rope.freq_base", 10000f)
            .Key("flags", GgufValueType.Array, w => { w.Write((uint)GgufValueType.Boolean); w.Write(3ul); w.Write("\0\u0001\0"u8); })
            .Key("scores", GgufValueType.Array, w => { w.Write((uint)GgufValueType.Float32); w.Write(2ul); w.Write(1f); w.Write(2f); })
            .Key("tokens", GgufValueType.Array, w => { w.Write((uint)GgufValueType.String); w.Write(2ul); GgufWriter.Text(w, "a"); GgufWriter.Text(w, "bc"); })
            .Tensor("a", 4, 8).Tensor("b", 8).Tensor("c", 2, 3, 4)
            .Tensor("q", [2, 32], 8, new byte[68])
            .ToArray();
        var refused = Mutate(sound, sound.Length - 500, path =>
        {
            using var file = GgufFile.Open(path);
            foreach (var key in file.Keys) Touch(file, key);
            foreach (var tensor in file.Tensors) Touch(tensor);
        });
        // Else the changes miss what is checked.
        Assert.InRange(refused, Rounds / 4, Rounds - 1);
    }

    [Fact]
    public void Changed_safetensors_files_open_or_are_refused()
    {
        var header = """{"__metadata__":{"format":"pt","é":"\u00e9\ud83d\ude00"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"U8","shape":[0,7],"data_offsets":[26,26]},"d":{"dtype":"I64","shape":[1],"data_offsets":[26,34]}}""";
        var json = Encoding.UTF8.GetBytes(header);
        byte[] sound = [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. new byte[34]];
        var refused = Mutate(sound, sound.Length - 34, path =>
        {
            using var file = SafetensorsFile.Open(path);
            foreach (var tensor in file.Tensors) Touch(tensor);
        });
        Assert.InRange(refused, Rounds / 4, Rounds - 1);
    }

    /// <summary>Writes <see cref="Rounds"/> variants of a file and returns how many were refused.</summary>
    private int Mutate(byte[] sound, int headerBytes, Action<string> open)
    {
        File.WriteAllBytes(_path, sound);
        open(_path);
        var random = new Random(20240607);
        var refused = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var bytes = (byte[])sound.Clone();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
            {
                var at = random.Next(headerBytes);
                switch (random.Next(4))
                {
                    case 0: bytes[at] = (byte)random.Next(256); break;
                    case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                    case 2: bytes.AsSpan(at, Math.Min(random.Next(1, 9), bytes.Length - at)).Fill((byte)(random.Next(2) * 255)); break;
                    default: bytes[at] = bytes[random.Next(headerBytes)]; break;
                }
            }
            if (random.Next(20) == 0) bytes = bytes[..random.Next(bytes.Length)];
            File.WriteAllBytes(_path, bytes);
            try
            {
                open(_path);
            }
            catch (InvalidDataException e)
            {
                Assert.StartsWith(_path, e.Message);
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }
        return refused;
    }

    private static void Touch(GgufFile file, string key)
    {
        switch (file.TypeOf(key))
        {
            case GgufValueType.String:
                file.TryGetString(key, out _);
                break;
            case GgufValueType.Array:
                Assert.True(file.TryGetArray(key, out var array));
                if (array.ElementType != GgufValueType.String) break;
                foreach (var text in array.GetStrings()) Sum(text);
                break;
        }
    }

    /// <summary>Reads every byte, so that one outside the file would be found.</summary>
    private static unsafe void Touch(TensorEntry tensor) => Sum(new ReadOnlySpan<byte>(tensor.Data, checked((int)tensor.ByteCount)));

    private static int Sum(ReadOnlySpan<byte> bytes)
    {
        var sum = 0;
        foreach (var value in bytes) sum += value;
        return sum;
    }
}
