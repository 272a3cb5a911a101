using TinyLora.Files;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Files;

public class MalformedSafetensorsTests
{
    private const string Folder = "malformed/safetensors";

    public static TheoryData<string, string> Rows()
    {
        var rows = new TheoryData<string, string>();
        if (!Shared.Has(Folder)) return new() { { "none", "missing" } };
        foreach (var line in File.ReadLines(Shared.Path($"{Folder}/expected.tsv")).Skip(1))
        {
            var columns = line.Split('\t');
            rows.Add(columns[0], columns[2]);
        }
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Rows))]
    public void Each_file_gives_what_the_table_says(string name, string expected)
    {
        var path = Shared.Path($"{Folder}/{name}");
        if (expected == "OK")
        {
            SafetensorsFile.Open(path).Dispose();
            return;
        }
        var error = Cost.Of(() => Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(path)));
        Assert.StartsWith(path, error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }
}
